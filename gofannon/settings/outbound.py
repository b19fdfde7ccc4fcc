"""Outbound HTTP: what is let through although it is not public, and how long a request may take."""

from gofannon import env

OUTBOUND_ALLOW = env.words("OUTBOUND_ALLOW")
OUTBOUND_TIMEOUT_SECONDS = env.integer("OUTBOUND_TIMEOUT_SECONDS", 30, low=1, high=3600)

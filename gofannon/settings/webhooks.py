"""Webhooks: how often a receiver that does not answer is tried."""

from gofannon import env

WEBHOOK_MAX_TRIES = env.integer("WEBHOOK_MAX_TRIES", 9, low=1, high=50)

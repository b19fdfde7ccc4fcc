"""Identifiers. Ids are strings of at most 255 characters."""

import re
import secrets
import time
import uuid

MAX_LENGTH = 255
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_UUID = re.compile(r"[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


def new_id(kind: str) -> str:
    """`<kind>_<26 characters>`, ordered by creation time (48 bits of milliseconds, 80 random bits, as in ULID)."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return f"{kind}_" + "".join(_ALPHABET[number >> shift & 31] for shift in range(125, -1, -5))


def new_uuid() -> str:
    return str(uuid.uuid4())


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def is_friendly_name(text: str) -> bool:
    """A URL-safe name `^[a-z0-9][a-z0-9-]{0,62}$` that cannot be mistaken for an agent's id."""
    return _SLUG.fullmatch(text) is not None and not is_uuid(text)

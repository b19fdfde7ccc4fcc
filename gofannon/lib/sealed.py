"""Secrets at rest: MultiFernet (AES-128-CBC with HMAC-SHA256). The newest key encrypts, every key decrypts.

A sealed value is opaque: it never prints its text. What opens it is `gofannon.lib.crypto`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models


@dataclass(frozen=True, slots=True)
class Sealed:
    """An encrypted secret. Never holds the plain text."""

    token: str

    def __repr__(self) -> str:
        return "Sealed(...)"

    __str__ = __repr__


@cache
def fernet_of(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key.strip()) for key in keys])


def seal(secret: str) -> Sealed:
    return Sealed(fernet_of(tuple(settings.ENCRYPTION_KEYS)).encrypt(secret.encode()).decode())


def mask(secret: str) -> str:
    """`sk-...9f2c`: enough to recognise a secret, too little to guess it; short ones show nothing but dots."""
    if len(secret) < 16:
        return "..."
    return f"{secret[:3]}...{secret[-4:]}"


class SealedField(models.TextField[Sealed, Sealed]):
    """A column that holds the encrypted token and hands out `Sealed`."""

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Sealed | None:
        return None if value is None else Sealed(value)

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, str) and value:
            raise TypeError("a secret is sealed before it is stored")
        return value.token if isinstance(value, Sealed) else value

    def to_python(self, value: Any) -> Any:
        return value

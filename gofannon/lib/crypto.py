"""Opening secrets. The modules that may import this one are an allow-list in the import contracts."""

from cryptography.fernet import InvalidToken
from django.conf import settings

from gofannon.lib.sealed import Sealed, fernet_of


class WrongKeyError(RuntimeError):
    """None of ENCRYPTION_KEYS opens the value: the keys were lost or replaced without rotation."""


def reveal(sealed: Sealed) -> str:
    """The plain secret. Raises WrongKeyError where no key fits."""
    try:
        return fernet_of(tuple(settings.ENCRYPTION_KEYS)).decrypt(sealed.token.encode()).decode()
    except InvalidToken as error:
        raise WrongKeyError("a stored secret cannot be opened with ENCRYPTION_KEYS") from error

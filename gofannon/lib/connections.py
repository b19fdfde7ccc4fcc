"""Database connections of threads that are not requests."""

from django.conf import settings
from django.db import close_old_connections, connection


def give_back_connection() -> None:
    """Returns the thread's connection to the pool where there is one; else closes only what is broken or too old."""
    if "pool" in settings.DATABASES["default"].get("OPTIONS", {}):
        connection.close()
    else:
        close_old_connections()

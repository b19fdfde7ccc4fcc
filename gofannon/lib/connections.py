"""Database connections of threads that are not requests."""

from django.db import close_old_connections, connection


def give_back_connection() -> None:
    """Gives up the thread's connection: to the pool where there is one. SQLite's costs nobody anything and stays.

    Before any long wait, so that what waits holds none. Inside a transaction nothing is given up.
    """
    if connection.in_atomic_block:
        return
    if connection.vendor == "postgresql":
        connection.close()
    else:
        close_old_connections()

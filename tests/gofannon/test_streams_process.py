"""Streams of a web process as it is run: what they cost it, and that they do not keep it from ending."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from billing.models import User
from gofannon.streams.readers import THREADS
from gofannon.supervisor.programs import Stack
from tests import services
from tests.conftest import database_url
from tests.gofannon.streaming import Listener, bearer, happen, held_run, until
from workflows import transitions

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.xdist_group("web-process")]
FEW, MANY = 10, 200


class Web:
    """A web process on the test's database, as the supervisor starts it."""

    def __init__(self, log: Path) -> None:
        self.log = log
        with socket.create_server(("127.0.0.1", 0)) as listener, log.open("wb") as output:
            self.port: int = listener.getsockname()[1]
            program = Stack(var=Path(settings.VAR_DIR), host="127.0.0.1", port=self.port).web(listener.fileno())
            env = {**program.env, "DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "gofannon.settings"}
            env |= {"STREAMS_PER_USER": str(2 * MANY), "SANDBOX_CACHE_DIR": str(settings.SANDBOX_CACHE_DIR)}
            self.process = subprocess.Popen(
                program.command, env=env, cwd=program.cwd, pass_fds=[listener.fileno()], stdout=output, stderr=output
            )
        until(lambda: "startup complete" in log.read_text(), "the web process")

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@pytest.fixture
def web(transactional_db: None, tmp_path: Path) -> Iterator[Web]:
    with services.valkey(Path(settings.VAR_DIR)):
        web = Web(tmp_path / "web.log")
        try:
            yield web
        finally:
            web.process.terminate()
            web.process.wait()


def connections() -> int:
    """Connections to the test's database besides this one."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def test_streams_take_no_thread_and_no_connection_each(web: Web, owner: User) -> None:
    runs = [held_run(owner) for _ in range(4)]
    key = bearer(owner)
    with ExitStack() as stack:

        def listen(count: int) -> list[Listener]:
            return [stack.enter_context(Listener(web.port, runs[n % len(runs)], **key)) for n in range(count)]

        few = listen(FEW)
        assert all(len(listener.take(2)) == 2 for listener in few)
        threads, files = web.threads(), web.files()
        many = listen(MANY - FEW)
        assert all(len(listener.take(2)) == 2 for listener in many)
        # Give or take a FEW: the process warms up meanwhile.
        assert web.files() > files + len(many) - FEW
        assert web.threads() < threads + FEW
        if connection.vendor == "postgresql":
            assert connections() <= THREADS
        for run in runs:
            happen(run)
            transitions.complete_run(run, output=None)
        for listener in [*few, *many]:
            assert [event.type for event in listener.events()] == ["log", "completed", "end"]
    until(lambda: web.files() < files + FEW, "the files of the streams to be closed")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_open_streams_do_not_hold_up_the_end_of_the_process(web: Web, owner: User, number: int) -> None:
    run, long = held_run(owner), held_run(owner)
    for _ in range(40):
        happen(long, 10, text="x" * 50_000)
    key = bearer(owner)
    with Listener(web.port, run, **key) as listener, Listener(web.port, long, **key) as deaf:
        assert len(listener.take(2)) == 2
        assert deaf.status == 200
        web.process.send_signal(number)
        assert list(listener.events()) == []
        until(lambda: web.process.poll() is not None, "the process's end")
    output = web.log.read_text()
    assert "Application shutdown complete" in output
    assert "timeout graceful shutdown exceeded" not in output
    assert "Exception in ASGI application" not in output

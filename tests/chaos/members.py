"""The platform's processes: workers, the web process and Valkey. Started like those of `make run`, ended like nothing
should be. All of it is called from the main thread.
"""

import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from django.conf import settings

from gofannon.supervisor.child import Child, Program
from gofannon.supervisor.programs import Stack
from tests.chaos.database import asked
from workflows.models import Worker

PROBE_SECONDS = 0.2
STOP_SECONDS = 20.0


@dataclass(eq=False)
class Member:
    """A program and its process. `up_since`: monotonic, since when it answers; `thaw_at`: it is stopped until then."""

    child: Child
    up_since: float | None = None
    grace: float = 0.0
    thaw_at: float | None = None
    start_at: float | None = None

    @property
    def name(self) -> str:
        return self.child.program.name

    @property
    def pid(self) -> int:
        assert self.child.process is not None
        return self.child.process.pid

    @property
    def is_ripe(self) -> bool:
        """Up for long enough to be struck."""
        return self.up_since is not None and self.thaw_at is None and time.monotonic() > self.up_since + self.grace

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)


@dataclass(eq=False)
class Members:
    workers: list[Member]
    web: Member
    valkey: Member
    port: int
    # Workers that were asked to end, and until when they have (monotonic).
    leaving: list[tuple[Child, float]] = field(default_factory=list)

    def all(self) -> list[Member]:
        return [self.valkey, self.web, *self.workers]

    def serving(self) -> list[Member]:
        return [self.web, *self.workers]

    @property
    def frozen(self) -> bool:
        return any(member.thaw_at is not None for member in self.serving())

    def look(self, grace: dict[str, float]) -> None:
        """Learns who has come up. `grace` gives each the seconds for which it is then left alone."""
        waited = [member for member in self.serving() if member.up_since is None and member.child.process]
        if not waited:
            return
        heard = set(asked(lambda: list(Worker.objects.filter(role="worker").values_list("pid", flat=True))))
        for member in waited:
            if self._answers() if member is self.web else member.pid in heard:
                member.up_since, member.grace = time.monotonic(), grace[member.name]

    def _answers(self) -> bool:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PROBE_SECONDS)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def left(self) -> list[str]:
        """Takes leave of the workers that have drained; what those did wrong that have not."""
        faults = []
        for child, deadline in list(self.leaving):
            code = child.reap()
            if code is None and time.monotonic() < deadline:
                continue
            self.leaving.remove((child, deadline))
            if code is None and child.process is not None:
                child.process.send_signal(signal.SIGABRT)  # its log then tells where its threads are
                faults.append(f"{child.program.name} did not end within its time after SIGTERM")
            elif code != 0:
                faults.append(f"{child.program.name} ended with exit code {code} after SIGTERM")
        return faults


@contextmanager
def running(var: Path, database_url: str, workers: int) -> Iterator[Members]:
    """The platform, started and not yet up; at the end nothing of it is left."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(2048)
        listener.set_inheritable(True)
        port: int = listener.getsockname()[1]
        stack = Stack(var=var, host="127.0.0.1", port=port)
        worker = stack.worker()
        named = [
            replace(worker, name=f"worker-{n}", command=(*worker.command, "--hostname", f"chaos-{n}@%h"))
            for n in range(1, workers + 1)
        ]
        programs = [stack.valkey(), stack.web(listener.fileno()), *named]
        valkey, web, *rest = [Member(Child(_prepared(program, var, database_url))) for program in programs]
        members = Members(rest, web, valkey, port)
        try:
            for member in members.all():
                member.child.start()
            yield members
        finally:
            _end([child for child, _ in members.leaving] + [member.child for member in members.all()])


def _prepared(program: Program, var: Path, database_url: str) -> Program:
    log = var / "log" / f"{program.name}.log"
    if program.name == "valkey":
        return replace(program, log=log)
    environment = {name: value for name, value in program.env.items() if name != "PGAPPNAME"}
    environment |= {"DATABASE_URL": database_url, "C_FORCE_ROOT": "1", "PYTHONFAULTHANDLER": "1"}
    environment |= {"SANDBOX_CACHE_DIR": str(settings.SANDBOX_CACHE_DIR), "DJANGO_SETTINGS_MODULE": "gofannon.settings"}
    return replace(program, env=environment, log=log)


def _end(children: list[Child]) -> None:
    for child in children:
        if child.process is not None:
            child.process.send_signal(signal.SIGCONT)
            child.ask_to_stop()
    deadline = time.monotonic() + STOP_SECONDS
    while any(child.process is not None and child.reap() is None for child in children):
        if time.monotonic() > deadline:
            for child in children:
                child.kill()
        time.sleep(0.05)

"""Runs without an agent, a runner that a test steers, and threads that work as a worker's do."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from django.db import connection, transaction

from billing.models import User
from gofannon.lib.clock import DatabaseNow
from workflows import execution, subjects, transitions
from workflows.models import Lease, Run
from workflows.runners import RUNNERS, Completed, Control, Failed, Result

KIND = "gated"
# Nothing is asserted about time: after so many seconds a test that hangs gives up.
PATIENCE_SECONDS = 60.0


@dataclass
class Stage:
    """Who ran in which order, and who runs now. A run leaves once the gate is open, or when it is cancelled."""

    gate: threading.Event = field(default_factory=threading.Event)
    order: list[str] = field(default_factory=list)
    inside: dict[str, Control] = field(default_factory=dict)
    most: int = 0
    overlaps: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def entered(self, control: Control) -> Iterator[None]:
        run = control.run
        with self.lock:
            if run.subject and any(other.run.subject == run.subject for other in self.inside.values()):
                self.overlaps.append(run.pk)
            self.order.append(run.pk)
            self.inside[run.pk] = control
            self.most = max(self.most, len(self.inside))
        try:
            yield
        finally:
            with self.lock:
                del self.inside[run.pk]


class GatedRunner:
    """Completes with the run's id; fails where its input is {"fail": true}."""

    stage: ClassVar[Stage]

    def run(self, control: Control) -> Result:
        stage = self.stage
        connection.close()
        with stage.entered(control):
            until(lambda: stage.gate.is_set() or control.cancelled.is_set())
        if control.cancelled.is_set():
            return Failed(**transitions.cancelled_error())
        if control.run.input == {"fail": True}:
            return Failed("told_to", "it was told to fail")
        return Completed(control.run.pk)


@contextmanager
def staged(monkeypatch: pytest.MonkeyPatch, *, open_gate: bool = True) -> Iterator[Stage]:
    """The stage of the runs of kind KIND; in the end whoever still runs is let go."""
    GatedRunner.stage = stage = Stage()
    monkeypatch.setitem(RUNNERS, KIND, f"{GatedRunner.__module__}.{GatedRunner.__qualname__}")
    if open_gate:
        stage.gate.set()
    try:
        yield stage
    finally:
        stage.gate.set()


def new_run(
    actor: User, *, claim: bool = False, if_running: subjects.Policy = "enqueue", kind: str = KIND, **fields: Any
) -> Run:
    """A run of the user's own, stored as every run is."""
    run = Run(kind=kind, actor=actor, owner=actor, payer=actor, **fields)
    with transaction.atomic():
        return transitions.create_run(run, claim=claim, if_running=if_running)


def claimed(run: Run) -> Run:
    """The run as this process has just claimed it; fails the test where it cannot be claimed."""
    held = transitions.claim_run(run.pk)
    assert held is not None
    return held


def overdue(run: Run) -> None:
    """The lease as it stands when its holder has not been heard of for long."""
    Lease.objects.filter(run=run).update(due_at=DatabaseNow(-1))


def stored(run: Run) -> Run:
    return Run.objects.get(pk=run.pk)


def code_of(run: Run) -> str | None:
    return (stored(run).error or {}).get("code")


def until(truth: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until it is true; fails the test where it does not become so."""
    deadline = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.01)


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work(0)`, `work(1)`, ... return, all begun at the same moment; raises what one of them raises."""
    barrier = threading.Barrier(count)

    def one(number: int) -> Any:
        try:
            barrier.wait(PATIENCE_SECONDS)
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


@contextmanager
def crew(count: int) -> Iterator[None]:
    """While the block runs, so many threads claim what is due and work on it."""
    over = threading.Event()

    def work() -> None:
        try:
            while not over.is_set():
                execution.advance("")
                over.wait(0.01)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        workers = [pool.submit(work) for _ in range(count)]
        try:
            yield
        finally:
            over.set()
    for worker in workers:
        worker.result()

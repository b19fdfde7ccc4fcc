"""Draining: a worker that is asked to end takes nothing more and finishes what it has."""

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import transaction

from billing.models import User
from gofannon.lib.clock import DatabaseNow
from tests import services
from tests.conftest import database_url
from tests.factories.runs import deploy
from tests.workflows.spine import Stage, claimed, new_run, staged, stored, until
from tickets import actions
from workflows import heartbeat, leases, transitions
from workflows.models import Blocker, Lease, Run, Status, Worker
from workflows.runners import Control
from workflows.sweeper import Sweeper

SLOW = "import time\ndef handler(event):\n    time.sleep(event['seconds'])\n    return 'slept'"


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with staged(monkeypatch, open_gate=False) as stage:
        yield stage


@pytest.fixture
def leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes in the end that this process has left."""
    monkeypatch.setattr(heartbeat, "_leaving", False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("leaving")
class TestLeaving:
    def test_runs_held_by_then_and_later_ones_are_told(self, owner: User) -> None:
        before, after = (Control(claimed(new_run(owner))) for _ in range(2))
        with heartbeat.holding(before):
            assert not before.draining.is_set()
            heartbeat.leave()
            with heartbeat.holding(after):
                assert (before.draining.is_set(), after.draining.is_set()) == (True, True)
                assert not before.cancelled.is_set()

    def test_its_runs_are_kept_alive_and_nobody_counts_on_it(self, owner: User) -> None:
        run = claimed(new_run(owner))
        control = Control(run)
        with heartbeat.holding(control):
            heartbeat.beat()
            assert Worker.objects.filter(pk=leases.holder()).exists()
            heartbeat.leave()
            control.renewed = 0.0
            heartbeat.beat()
            assert not Worker.objects.filter(pk=leases.holder()).exists()
            assert (control.renewed > 0, control.lost) == (True, False)

    def test_a_run_that_is_handed_on_is_anybodys_at_once(self, owner: User) -> None:
        run = claimed(new_run(owner))
        transitions.release_run(run)
        assert (stored(run).status, leases.due(10)) == (Status.WAITING, [run.pk])
        assert (stored(run).tries, claimed(run).attempt) == (0, 2)


@pytest.mark.django_db(transaction=True)
class TestSweeper:
    def test_it_claims_nothing_once_it_is_stopped(self, owner: User, stage: Stage) -> None:
        sweeper = Sweeper(places=1)
        first = new_run(owner)
        sweeper.start()
        try:
            until(lambda: first.pk in stage.inside)
            sweeper.stop()
            second = new_run(owner)
            stage.gate.set()
            sweeper.thread.join(60)
        finally:
            stage.gate.set()
            sweeper.stop()
            sweeper.pool.shutdown()
        assert not sweeper.thread.is_alive()
        assert (stored(first).status, stored(second).status) == (Status.COMPLETED, Status.PENDING)

    def test_a_sweep_under_way_when_it_is_stopped_claims_nothing_more(self, owner: User, stage: Stage) -> None:
        runs = [new_run(owner) for _ in range(3)]
        sweeper = Sweeper(places=3)
        sweeper.stop()
        try:
            assert sweeper.sweep() == 0
        finally:
            stage.gate.set()
            sweeper.pool.shutdown()
        assert {stored(run).status for run in runs} == {Status.PENDING}


@contextmanager
def a_worker() -> Iterator[subprocess.Popen[bytes]]:
    var = Path(django_settings.VAR_DIR)
    with services.valkey(var), services.worker(var, database_url()) as worker:
        # Until it has proved its sandbox it has no processor to spare for runs.
        until(Worker.objects.exclude(sandbox={}).exists, seconds=300)
        yield worker


def submit(owner: User, seconds: float) -> Run:
    target = actions.find_target(actor=owner, name="echo")
    run: Run = actions.submit_ticket(actor=owner, target=target, input={"seconds": seconds}).run
    return run


def later(run: Run) -> None:
    """Due in a second, long after its doorbell: only a sweeper finds it then."""
    Lease.objects.filter(run=run).update(due_at=DatabaseNow(1.0))


@pytest.mark.xdist_group("worker")
@pytest.mark.django_db(transaction=True)
class TestWorker:
    @pytest.mark.parametrize("found_by", ["doorbell", "sweeper"])
    def test_it_finishes_what_it_has_takes_nothing_more_and_is_gone(self, owner: User, found_by: str) -> None:
        deploy(owner, SLOW, runtime="cpython", limits={"wall_seconds": 120})
        with a_worker() as worker:
            with transaction.atomic():
                run = submit(owner, 12)
                if found_by == "sweeper":
                    later(run)
            until(lambda: stored(run).status == Status.RUNNING)
            worker.send_signal(signal.SIGTERM)
            until(lambda: not Worker.objects.exists())
            assert worker.poll() is None
            waiting = submit(owner, 0)
            assert worker.wait(120) == 0
        done = stored(run)
        assert (done.status, done.output, done.attempt) == (Status.COMPLETED, "slept", 1)
        assert (stored(waiting).status, stored(waiting).attempt) == (Status.PENDING, 0)
        assert not Worker.objects.exists()
        assert list(Lease.objects.values_list("run", "holder")) == [(waiting.pk, "")]

    def test_one_with_nothing_to_do_is_gone_at_once(self, owner: User) -> None:
        with a_worker() as worker:
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(60) == 0
        assert not Worker.objects.exists()

    def test_what_a_killed_worker_had_is_taken_over(self, owner: User, settings: Any) -> None:
        deploy(owner, SLOW, runtime="cpython", limits={"wall_seconds": 120})
        with a_worker() as worker:
            run = submit(owner, 3)
            until(lambda: stored(run).status == Status.RUNNING)
            worker.kill()
            worker.wait()
        assert (stored(run).status, stored(run).blocker) == (Status.RUNNING, Blocker.NONE)
        with a_worker():
            until(lambda: stored(run).is_finished, seconds=120)
        assert (stored(run).status, stored(run).attempt) == (Status.COMPLETED, 2)

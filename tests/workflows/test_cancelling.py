"""Cancelling: whoever waits ends at once, whoever is worked on when its holder hears of it; so do the called runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connection
from rest_framework.test import APIClient

from billing.models import User
from tests import services
from tests.conftest import database_url, ended
from tests.factories.runs import deploy
from tests.workflows.spine import Stage, claimed, code_of, crew, in_threads, new_run, staged, stored, until
from workflows import execution, heartbeat, leases, transitions
from workflows.models import Blocker, Checkpoint, Effect, Event, Lease, Run, Status, Worker
from workflows.runners import RUNNERS, Completed, Control, Failed, Result

FOR_EVER = "def handler(event):\n    n = 0\n    while True:\n        n = n + 1\n"


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with staged(monkeypatch, open_gate=False) as stage:
        yield stage


class StubbornRunner:
    """Watches no clock of its own. Shows what it has, and ends when it is told to."""

    def run(self, control: Control) -> Result:
        connection.close()
        control.partial = {"so far": control.run.attempt}
        until(control.cancelled.is_set)
        if control.run.input == "done all the same":
            return Completed("done")
        return Failed(**transitions.cancelled_error())


@pytest.fixture
def stubborn(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(RUNNERS, "stubborn", f"{__name__}.StubbornRunner")
    monkeypatch.setattr(heartbeat, "GRACE_SECONDS", 0.1)
    return "stubborn"


@pytest.mark.django_db
class TestAtOnce:
    def test_a_pending_run_ends(self, owner: User) -> None:
        run = new_run(owner)
        transitions.request_cancel(run)
        assert (stored(run).status, code_of(run)) == (Status.CANCELLED, "cancelled")
        assert not Lease.objects.exists()
        assert list(Event.objects.order_by("seq").values_list("seq", "type")) == [(1, "created"), (2, "cancelled")]

    def test_a_queued_run_ends(self, owner: User) -> None:
        first, second = new_run(owner, subject="s"), new_run(owner, subject="s")
        transitions.request_cancel(second)
        assert (stored(second).status, stored(second).blocker) == (Status.CANCELLED, "")
        assert list(Lease.objects.values_list("run", flat=True)) == [first.pk]

    @pytest.mark.parametrize("wait", [{"seconds": 3600}, {"blocker": Blocker.APPROVAL}, {"seconds": 0}])
    def test_a_waiting_run_ends(self, owner: User, wait: dict[str, Any]) -> None:
        run = claimed(new_run(owner))
        transitions.suspend_run(run, **wait)
        transitions.request_cancel(stored(run))
        ended_run = stored(run)
        assert (ended_run.status, ended_run.blocker, ended_run.wake_at) == (Status.CANCELLED, "", None)
        assert not Lease.objects.exists()

    def test_a_cancelled_run_is_not_claimed_and_not_cancelled_twice(self, owner: User) -> None:
        run = new_run(owner)
        transitions.request_cancel(run)
        transitions.request_cancel(run)
        assert transitions.claim_run(run.pk) is None
        assert Event.objects.filter(type="cancelled").count() == 1

    def test_a_finished_run_stays_as_it_is(self, owner: User) -> None:
        run = claimed(new_run(owner))
        transitions.complete_run(run, output=1)
        transitions.request_cancel(run)
        assert (stored(run).status, stored(run).cancel_requested_at) == (Status.COMPLETED, None)

    def test_a_run_that_waits_ends_with_what_it_had_under_way(self, owner: User) -> None:
        run = claimed(new_run(owner))
        Effect.objects.create(run=run, call="1", name="t", attempt=1, status=Effect.Status.DISPATCHED)
        Checkpoint.objects.create(run=run, data=b"as it stood")
        transitions.suspend_run(run, blocker=Blocker.APPROVAL)
        transitions.request_cancel(stored(run))
        assert (Effect.objects.get().status, Checkpoint.objects.exists()) == (Effect.Status.UNKNOWN, False)


@pytest.mark.django_db(transaction=True)
class TestChildren:
    @pytest.mark.parametrize("wait", [{"seconds": 3600}, {"blocker": Blocker.CHILD}])
    def test_those_of_a_waiting_run_are_cancelled_with_it(self, owner: User, wait: dict[str, Any]) -> None:
        parent = claimed(new_run(owner))
        child = claimed(new_run(owner, parent=parent, depth=1))
        grandchild = new_run(owner, parent=child, depth=2)
        transitions.suspend_run(child, **wait)
        transitions.suspend_run(parent, **wait)
        transitions.request_cancel(stored(parent))
        assert [stored(run).status for run in (parent, child, grandchild)] == [Status.CANCELLED] * 3

    def test_those_of_a_held_run_are_told_too(self, owner: User) -> None:
        parent = claimed(new_run(owner))
        held = claimed(new_run(owner, parent=parent, depth=1))
        waiting = new_run(owner, parent=parent, depth=1)
        transitions.request_cancel(stored(parent))
        assert (stored(parent).status, stored(held).status) == (Status.RUNNING, Status.RUNNING)
        assert stored(held).cancel_requested_at is not None
        assert stored(waiting).status == Status.CANCELLED

    def test_those_that_a_run_leaves_behind_when_it_fails_are_cancelled(self, owner: User) -> None:
        parent = claimed(new_run(owner))
        parent.made_calls = True
        child = new_run(owner, parent=parent, depth=1)
        transitions.fail_run(parent, error={"code": "told_to", "message": "", "permanent": True})
        assert stored(child).status == Status.CANCELLED

    def test_the_runs_of_others_are_left_alone(self, owner: User) -> None:
        parent, other = claimed(new_run(owner)), claimed(new_run(owner))
        theirs = new_run(owner, parent=other, depth=1)
        transitions.request_cancel(parent)
        assert stored(theirs).status == Status.PENDING

    def test_a_called_run_that_is_cancelled_wakes_its_caller(self, owner: User) -> None:
        parent = claimed(new_run(owner))
        child = new_run(owner, parent=parent, depth=1)
        transitions.suspend_run(parent, blocker=Blocker.CHILD)
        transitions.request_cancel(child)
        assert leases.due(10) == [parent.pk]


@pytest.mark.django_db(transaction=True)
class TestHeld:
    def test_one_look_tells_the_holder(self, owner: User) -> None:
        run, other = claimed(new_run(owner)), claimed(new_run(owner))
        control, untouched = Control(run), Control(other)
        with heartbeat.holding(control), heartbeat.holding(untouched):
            in_threads(1, lambda _: transitions.request_cancel(stored(run)))
            heartbeat.look()
            assert (control.cancelled.is_set(), control.lost) == (True, False)
            assert not untouched.cancelled.is_set()

    def test_the_beat_looks_by_itself(self, owner: User, stage: Stage) -> None:
        run = new_run(owner)
        with crew(1):
            until(lambda: run.pk in stage.inside)
            transitions.request_cancel(stored(run))
            until(lambda: stored(run).is_finished)
        assert (stored(run).status, code_of(run), stored(run).attempt) == (Status.CANCELLED, "cancelled", 1)
        assert not Lease.objects.exists()

    def test_one_asked_before_its_holder_began_does_no_work(self, owner: User, stage: Stage) -> None:
        run = claimed(new_run(owner))
        transitions.request_cancel(run)
        execution.execute(stored(run))
        assert (stored(run).status, stage.order) == (Status.CANCELLED, [])

    def test_one_asked_while_it_was_given_back_ends_with_the_next_claim(self, owner: User, stage: Stage) -> None:
        run = claimed(new_run(owner))
        transitions.request_cancel(run)
        transitions.suspend_run(run, blocker=Blocker.APPROVAL)
        assert leases.due(10) == [run.pk]
        execution.advance("")
        assert (stored(run).status, stage.order) == (Status.CANCELLED, [])


@pytest.mark.django_db(transaction=True)
class TestWallClock:
    def test_a_runner_that_ignores_the_time_is_ended_with_what_it_had(self, owner: User, stubborn: str) -> None:
        run = new_run(owner, kind=stubborn, limits={"wall_seconds": 0.2})
        execution.advance("")
        failed = stored(run)
        expected = {"code": "time_limit", "message": "the run took longer than 0.2 s", "permanent": True}
        assert (failed.status, failed.error) == (Status.FAILED, {**expected, "partial": {"so far": 1}})

    def test_what_is_done_all_the_same_is_kept(self, owner: User, stubborn: str) -> None:
        run = new_run(owner, kind=stubborn, limits={"wall_seconds": 0.2}, input="done all the same")
        execution.advance("")
        assert (stored(run).status, stored(run).output) == (Status.COMPLETED, "done")

    def test_one_that_was_cancelled_is_cancelled_and_shows_what_it_had(self, owner: User, stubborn: str) -> None:
        run = new_run(owner, kind=stubborn, limits={"wall_seconds": 3600})
        with crew(1):
            until(lambda: stored(run).status == Status.RUNNING)
            transitions.request_cancel(run)
            until(lambda: stored(run).is_finished)
        error = stored(run).error or {}
        assert (stored(run).status, error["code"]) == (Status.CANCELLED, "cancelled")

    def test_within_limit_and_grace_nobody_is_told(self, owner: User) -> None:
        run = claimed(new_run(owner, limits={"wall_seconds": 10}))
        control = Control(run)
        with heartbeat.holding(control):
            for seconds, told in ((9, False), (14, False), (16, True)):
                control.began = leases.clock() - seconds
                heartbeat.look()
                assert (control.timed_out, control.cancelled.is_set()) == (told, told)

    def test_without_a_limit_a_run_may_take_its_time(self, owner: User) -> None:
        control = Control(claimed(new_run(owner)))
        control.began = leases.clock() - 1e6
        with heartbeat.holding(control):
            heartbeat.look()
            assert not control.cancelled.is_set()


@pytest.mark.xdist_group("worker")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("runtime", ["cpython", "monty"])
def test_code_that_a_worker_runs_is_cancelled_and_its_process_is_gone(
    api: APIClient, owner: User, runtime: str
) -> None:
    deploy(owner, FOR_EVER, runtime=runtime, limits={"wall_seconds": 300, "cpu_seconds": 300})
    var = Path(django_settings.VAR_DIR)
    with services.valkey(var), services.worker(var, database_url()) as worker:
        # Its self-test computes too.
        until(Worker.objects.exclude(sandbox={}).exists, seconds=300)
        made = api.post("/api/tickets", {"agent_id": "echo"}).json()
        until(lambda: spinning(worker.pid), seconds=120)
        child = spinning(worker.pid)
        assert api.get(f"/api/tickets/{made['_id']}").json()["status"] == "processing"
        assert api.post(f"/api/tickets/{made['_id']}/cancel").status_code == 202
        ticket = ended(api, made["_id"])
        until(lambda: not child & descendants(worker.pid))
        assert worker.poll() is None
    run = Run.objects.get()
    assert (ticket["status"], ticket["error"]["code"], "result" in ticket) == ("failed", "cancelled", False)
    assert (run.status, run.attempt, Lease.objects.exists()) == (Status.CANCELLED, 1, False)


def descendants(pid: int) -> set[int]:
    """The processes that the process began, and those that they began."""
    parents = {number: int(stat[1]) for number in _processes() if (stat := _stat(number))}
    found, added = {pid}, {pid}
    while added:
        added = {number for number, parent in parents.items() if parent in added} - found
        found |= added
    return found - {pid}


def spinning(pid: int) -> set[int]:
    """Those of its descendants that have computed for half a second, in whichever of their threads."""
    stats = {number: _stat(number) for number in descendants(pid)}
    half_a_second = 50  # in ticks
    return {number for number, stat in stats.items() if stat and int(stat[11]) > half_a_second}


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []

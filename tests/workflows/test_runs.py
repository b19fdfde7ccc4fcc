"""The run spine: who claims, who may write, and what becomes of runs whose worker is gone."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from billing.models import User
from gofannon.lib.clock import DatabaseNow
from tests.factories.runners import UnstorableRunner
from tests.factories.runs import deploy
from tickets import actions
from tickets.models import Ticket
from workflows import execution, heartbeat, leases, transitions
from workflows.models import Blocker, Event, Lease, Run, Status
from workflows.runners import RUNNERS, Control, runner_of
from workflows.sweeper import Sweeper


def submit(owner: User, **options: Any) -> Ticket:
    target = actions.find_target(actor=owner, name="echo")
    return actions.submit_ticket(actor=owner, target=target, input={"n": 1}, **options)


@pytest.fixture
def run(owner: User) -> Run:
    deploy(owner, runtime="monty")
    return submit(owner).run


def code_of(run: Run) -> str | None:
    return (run.error or {}).get("code")


def overdue(run: Run) -> None:
    """The lease as it stands when its holder has not been heard of for long."""
    Lease.objects.filter(run=run).update(due_at=DatabaseNow(-1))


@pytest.mark.django_db
class TestClaims:
    def test_a_new_run_is_claimed_once(self, run: Run) -> None:
        first, second = transitions.claim_run(run.pk), transitions.claim_run(run.pk)
        assert first is not None
        assert (first.status, first.attempt, second) == (Status.RUNNING, 1, None)
        assert Lease.objects.get().holder == leases.holder()

    def test_a_dead_holders_run_is_claimed_again_with_the_next_attempt(self, run: Run) -> None:
        transitions.claim_run(run.pk)
        overdue(run)
        again = transitions.claim_run(run.pk)
        assert again is not None
        assert again.attempt == 2

    def test_a_renewed_lease_is_not_due(self, run: Run) -> None:
        transitions.claim_run(run.pk)
        overdue(run)
        assert leases.due(10) == [run.pk]
        assert leases.renew([run.pk]) == {run.pk}
        assert leases.due(10) == []

    def test_somebody_elses_lease_is_not_renewed(self, run: Run) -> None:
        transitions.claim_run(run.pk)
        Lease.objects.update(holder="another")
        assert leases.renew([run.pk]) == set()

    def test_who_wakes_up_late_writes_nothing(self, run: Run) -> None:
        late = transitions.claim_run(run.pk)
        overdue(run)
        held = transitions.claim_run(run.pk)
        assert late is not None
        assert held is not None
        for write in (
            lambda: transitions.complete_run(late, output="late"),
            lambda: transitions.fail_run(late, error={}),
            lambda: transitions.append_events(late, [transitions.Note("log")]),
            lambda: transitions.suspend_run(late, seconds=1),
        ):
            with pytest.raises(leases.LeaseLost):
                write()
        transitions.complete_run(held, output="mine")
        assert (Run.objects.get().output, Lease.objects.count()) == ("mine", 0)

    def test_a_finished_run_is_written_no_more(self, run: Run) -> None:
        held = transitions.claim_run(run.pk)
        assert held is not None
        transitions.complete_run(held, output=1)
        with pytest.raises(leases.LeaseLost):
            transitions.complete_run(held, output=2)

    def test_events_have_no_gaps(self, run: Run) -> None:
        held = transitions.claim_run(run.pk)
        assert held is not None
        transitions.append_events(held, [transitions.Note("a"), transitions.Note("b")])
        transitions.complete_run(held, output=1, notes=(transitions.Note("c"),))
        found = Event.objects.order_by("seq").values_list("seq", "type")
        assert list(found) == list(enumerate(["created", "started", "a", "b", "c", "completed"], start=1))
        assert Run.objects.get().seq == 6


@pytest.mark.django_db
def test_a_process_that_claims_its_own_late_run_again_ends_the_first_try(run: Run) -> None:
    first, second = Control(run), Control(run)
    with heartbeat.holding(first), heartbeat.holding(second):
        assert (first.lost, first.cancelled.is_set(), second.cancelled.is_set()) == (True, True, False)


@pytest.mark.django_db
class TestWaiting:
    def test_a_run_sleeps_until_its_wake_up(self, run: Run) -> None:
        held = transitions.claim_run(run.pk)
        assert held is not None
        transitions.suspend_run(held, seconds=60)
        assert transitions.claim_run(run.pk) is None
        overdue(run)
        assert transitions.claim_run(run.pk) is not None

    def test_a_blocked_run_is_due_for_nobody(self, run: Run) -> None:
        held = transitions.claim_run(run.pk)
        assert held is not None
        transitions.suspend_run(held, blocker=Blocker.APPROVAL, detail="call 1")
        stored = Run.objects.get()
        assert (stored.status, stored.blocker, stored.blocker_detail) == ("waiting", "approval", "call 1")
        assert (leases.due(10), Lease.objects.get().due_at) == ([], None)

    def test_a_wait_names_what_it_waits_for(self, run: Run) -> None:
        held = transitions.claim_run(run.pk)
        assert held is not None
        with pytest.raises(ValueError, match="a wake-up or a blocker"):
            transitions.suspend_run(held)

    def test_a_waiting_run_is_cancelled_at_once(self, run: Run) -> None:
        held = transitions.claim_run(run.pk)
        assert held is not None
        transitions.suspend_run(held, blocker=Blocker.APPROVAL)
        transitions.request_cancel(held)
        stored = Run.objects.get()
        assert (stored.status, stored.blocker, code_of(stored)) == ("cancelled", "", "cancelled")
        assert Event.objects.order_by("-seq")[0].type == "cancelled"

    def test_a_held_run_is_asked_to_end(self, run: Run) -> None:
        held = transitions.claim_run(run.pk)
        assert held is not None
        transitions.request_cancel(held)
        stored = Run.objects.get()
        assert (stored.status, stored.cancel_requested_at is not None) == ("running", True)


@pytest.mark.django_db(transaction=True)
class TestExecution:
    def test_a_claimed_run_completes(self, run: Run) -> None:
        execution.advance(run.pk)
        assert (Run.objects.get().status, Run.objects.get().output) == ("completed", {"n": 1})

    def test_a_late_doorbell_changes_nothing(self, run: Run) -> None:
        execution.advance(run.pk)
        execution.advance(run.pk)
        assert (Run.objects.get().attempt, Event.objects.filter(type="completed").count()) == (1, 1)

    def test_a_run_that_never_ends_is_given_up(self, run: Run) -> None:
        Run.objects.update(max_attempts=2)
        for _ in range(2):
            transitions.claim_run(run.pk)
            overdue(run)
        execution.advance(run.pk)
        stored = Run.objects.get()
        assert (stored.status, code_of(stored), stored.attempt) == ("failed", "attempts_exhausted", 3)

    def test_a_fault_of_ours_is_tried_again_and_then_told(self, run: Run) -> None:
        Run.objects.update(kind="nobody runs this", max_attempts=2)
        execution.advance(run.pk)
        assert (Run.objects.get().status, Lease.objects.get().holder) == ("waiting", "")
        overdue(run)
        execution.advance(run.pk)
        stored = Run.objects.get()
        assert (code_of(stored), stored.status) == ("internal_error", "failed")

    def test_what_the_database_cannot_hold_ends_the_run_and_repeats_nothing(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(RUNNERS, "unstorable", "tests.factories.runners.UnstorableRunner")
        monkeypatch.setattr(UnstorableRunner, "runs", 0)
        Run.objects.update(kind="unstorable")
        execution.advance(run.pk)
        stored = Run.objects.get()
        # SQLite holds any text; PostgreSQL no NUL.
        expected = ("failed", "not_storable") if connection.vendor == "postgresql" else ("completed", None)
        assert (stored.status, code_of(stored), stored.attempt, UnstorableRunner.runs) == (*expected, 1, 1)

    def test_backoff_doubles_within_its_bounds(self) -> None:
        for attempt, ceiling in ((1, 1), (2, 2), (5, 16), (50, 60)):
            assert all(ceiling / 2 <= execution.backoff(attempt) <= ceiling for _ in range(50))

    @pytest.mark.parametrize("kind", RUNNERS)
    def test_every_runner_is_where_its_path_says(self, kind: str) -> None:
        assert callable(runner_of(kind).run)


@pytest.mark.django_db(transaction=True)
class TestMany:
    def test_of_many_claims_one_wins(self, owner: User) -> None:
        deploy(owner)
        runs = [submit(owner).run for _ in range(5)]
        won: list[Run] = []

        def claim_all() -> None:
            won.extend(claimed for run in runs if (claimed := transitions.claim_run(run.pk)))
            connection.close()

        threads = [threading.Thread(target=claim_all) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(run.pk for run in won) == sorted(run.pk for run in runs)

    def test_the_sweeper_finds_what_no_doorbell_told(self, owner: User) -> None:
        deploy(owner, runtime="monty")
        for _ in range(6):
            submit(owner)
        sweeper = Sweeper(places=4)
        assert sweeper.sweep() == 4
        sweeper.pool.shutdown()
        assert Run.objects.filter(status=Status.COMPLETED).count() == 4
        assert len(leases.due(10)) == 2


@pytest.mark.django_db
def test_an_event_from_outside_takes_its_place_in_the_count(run: Run) -> None:
    held = transitions.claim_run(run.pk)
    assert held is not None
    Run.objects.filter(pk=run.pk).update(seq=F("seq") + 1)  # as if the web side had just written one
    Event.objects.create(run=run, seq=3, type="approval")
    transitions.append_events(held, [transitions.Note("a")])
    transitions.complete_run(held, output=1)
    found = Event.objects.order_by("seq").values_list("seq", "type")
    assert list(found) == list(enumerate(["created", "started", "approval", "a", "completed"], start=1))

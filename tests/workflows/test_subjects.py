"""Subjects: on each, one run at a time, in the order in which they came."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from billing.models import User
from gofannon.lib.errors import Conflict
from tests.workflows.spine import (
    KIND,
    Stage,
    claimed,
    code_of,
    crew,
    in_threads,
    new_run,
    overdue,
    staged,
    stored,
    until,
)
from workflows import execution, leases, transitions
from workflows.models import Blocker, Lease, Run, Status

End = Callable[[Run], None]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with staged(monkeypatch) as stage:
        yield stage


def complete(run: Run) -> None:
    transitions.complete_run(run, output=1)


def fail(run: Run) -> None:
    transitions.fail_run(run, error={"code": "told_to", "message": "", "permanent": True})


def cancel(run: Run) -> None:
    transitions.fail_run(run, error=transitions.cancelled_error(), cancelled=True)


def queued(run: Run) -> bool:
    lease = Lease.objects.get(run=run)
    return stored(run).blocker == Blocker.QUEUED and lease.due_at is None and transitions.claim_run(run.pk) is None


@pytest.mark.django_db
class TestReject:
    def test_a_second_run_is_refused_and_told_who_is_there(self, owner: User) -> None:
        first = new_run(owner, subject="s", claim=True)
        with pytest.raises(Conflict) as refused:
            new_run(owner, subject="s", if_running="reject")
        assert (refused.value.code, refused.value.extra) == ("busy", {"run_id": first.pk})
        assert Run.objects.count() == Lease.objects.count() == 1

    @pytest.mark.parametrize("end", [complete, fail, cancel])
    def test_after_the_end_of_the_first_it_is_taken(self, owner: User, end: End) -> None:
        end(new_run(owner, subject="s", claim=True))
        assert new_run(owner, subject="s", claim=True, if_running="reject").status == Status.RUNNING

    def test_a_pending_and_a_waiting_run_are_busy_too(self, owner: User) -> None:
        pending = new_run(owner, subject="s")
        with pytest.raises(Conflict):
            new_run(owner, subject="s", if_running="reject")
        transitions.suspend_run(claimed(pending), blocker=Blocker.APPROVAL)
        with pytest.raises(Conflict):
            new_run(owner, subject="s", if_running="reject")

    def test_other_subjects_and_no_subject_are_free(self, owner: User) -> None:
        new_run(owner, subject="s", claim=True)
        for subject in ("t", "", ""):
            assert new_run(owner, subject=subject, claim=True, if_running="reject").status == Status.RUNNING


@pytest.mark.django_db
class TestEnqueue:
    @pytest.mark.parametrize("end", [complete, fail, cancel])
    def test_each_goes_on_after_the_end_of_the_one_before(self, owner: User, end: End) -> None:
        runs = [new_run(owner, subject="s") for _ in range(4)]
        for place, run in enumerate(runs):
            assert leases.due(10) == [run.pk]
            assert all(queued(later) for later in runs[place + 1 :])
            held = claimed(run)
            assert (held.blocker, held.blocker_detail) == ("", "")
            assert leases.due(10) == []
            end(held)
        assert not Lease.objects.exists()

    def test_one_that_has_to_wait_says_behind_whom_and_is_not_held(self, owner: User) -> None:
        new_run(owner, subject="s")
        second = new_run(owner, subject="s")
        third = new_run(owner, subject="s", claim=True)
        assert (third.status, third.blocker, third.blocker_detail) == ("pending", "queued", f"behind {second.pk}")
        assert (third.attempt, Lease.objects.get(run=third).holder) == (0, "")

    def test_a_run_that_waits_keeps_its_subject(self, owner: User) -> None:
        first, second = new_run(owner, subject="s"), new_run(owner, subject="s")
        transitions.suspend_run(claimed(first), seconds=0)
        assert (leases.due(10), queued(second)) == ([first.pk], True)
        transitions.suspend_run(claimed(first), blocker=Blocker.APPROVAL)
        assert (leases.due(10), queued(second)) == ([], True)

    def test_a_queued_run_that_is_cancelled_lets_the_next_go_on(self, owner: User) -> None:
        first, second, third = (new_run(owner, subject="s") for _ in range(3))
        held = claimed(first)
        transitions.request_cancel(second)
        assert (stored(second).status, queued(third)) == (Status.CANCELLED, True)
        complete(held)
        assert leases.due(10) == [third.pk]

    def test_a_first_run_that_is_cancelled_before_its_turn_lets_the_next_go_on(self, owner: User) -> None:
        first, second = new_run(owner, subject="s"), new_run(owner, subject="s")
        transitions.request_cancel(first)
        assert leases.due(10) == [second.pk]

    def test_a_holder_that_dies_keeps_its_place(self, owner: User) -> None:
        first, second = new_run(owner, subject="s"), new_run(owner, subject="s")
        late = claimed(first)
        overdue(first)
        assert leases.due(10) == [first.pk]
        again = claimed(first)
        with pytest.raises(leases.LeaseLost):
            complete(late)
        assert (leases.due(10), queued(second)) == ([], True)
        complete(again)
        assert leases.due(10) == [second.pk]

    def test_who_came_later_with_an_earlier_clock_stands_behind_all_the_same(self, owner: User) -> None:
        past = timezone.now() - timedelta(seconds=5)
        first = new_run(owner, subject="s")
        second = new_run(owner, subject="s", created_at=past)
        third = new_run(owner, subject="s", created_at=past - timedelta(seconds=1))
        fourth = new_run(owner, subject="s")
        held = claimed(first)
        transitions.request_cancel(fourth)
        assert (leases.due(10), queued(second), queued(third)) == ([], True, True)
        complete(held)
        assert leases.due(10) == [second.pk]
        transitions.request_cancel(third)
        assert leases.due(10) == [second.pk]

    def test_an_imported_unfinished_run_blocks_nobody(self, owner: User) -> None:
        imported = Run(kind=KIND, actor=owner, subject="s", status=Status.RUNNING)
        transitions.import_run(imported)
        for policy in ("reject", "interrupt", "enqueue"):
            run = new_run(owner, subject="s", claim=True, if_running=policy)
            assert run.status == Status.RUNNING
            complete(run)
        assert (stored(imported).status, stored(imported).blocker) == (Status.RUNNING, Blocker.IMPORTED)


@pytest.mark.django_db
class TestInterrupt:
    def test_those_that_nobody_holds_end_and_the_new_one_is_due(self, owner: User) -> None:
        earlier = [new_run(owner, subject="s") for _ in range(3)]
        new = new_run(owner, subject="s", if_running="interrupt")
        assert [stored(run).status for run in earlier] == [Status.CANCELLED] * 3
        assert leases.due(10) == [new.pk]

    def test_the_new_one_runs_after_the_end_of_the_one_that_is_held(self, owner: User) -> None:
        held, between = claimed(new_run(owner, subject="s")), new_run(owner, subject="s")
        new = new_run(owner, subject="s", if_running="interrupt", claim=True)
        assert (stored(held).status, stored(held).cancel_requested_at is not None) == (Status.RUNNING, True)
        assert (stored(between).status, queued(new)) == (Status.CANCELLED, True)
        cancel(held)
        assert leases.due(10) == [new.pk]

    def test_one_that_completes_all_the_same_lets_the_new_one_run(self, owner: User) -> None:
        held = claimed(new_run(owner, subject="s"))
        new = new_run(owner, subject="s", if_running="interrupt")
        complete(held)
        assert leases.due(10) == [new.pk]

    def test_of_several_interruptions_the_last_one_runs(self, owner: User) -> None:
        held = claimed(new_run(owner, subject="s"))
        new = [new_run(owner, subject="s", if_running="interrupt") for _ in range(3)]
        cancel(held)
        assert [stored(run).status for run in new] == ["cancelled", "cancelled", "pending"]
        assert leases.due(10) == [new[-1].pk]

    def test_a_waiting_run_ends_at_once(self, owner: User) -> None:
        waiting = claimed(new_run(owner, subject="s"))
        transitions.suspend_run(waiting, blocker=Blocker.APPROVAL)
        new = new_run(owner, subject="s", if_running="interrupt")
        assert (stored(waiting).status, leases.due(10)) == (Status.CANCELLED, [new.pk])


@pytest.mark.django_db(transaction=True)
class TestExecuted:
    def test_a_run_that_works_hears_that_it_is_interrupted(
        self, owner: User, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stage.gate.clear()
        first = new_run(owner, subject="s")
        with crew(2):
            until(lambda: first.pk in stage.inside)
            new = new_run(owner, subject="s", if_running="interrupt")
            until(lambda: new.pk in stage.inside)
            assert (stored(first).status, code_of(first)) == (Status.CANCELLED, "cancelled")
            stage.gate.set()
            until(lambda: not Lease.objects.exists())
        assert (stored(new).status, stage.overlaps) == (Status.COMPLETED, [])

    def test_however_one_ends_the_next_is_worked_on(self, owner: User, stage: Stage) -> None:
        runs = [new_run(owner, subject="s", input={"fail": place % 2 == 0}) for place in range(6)]
        Run.objects.filter(pk=runs[4].pk).update(kind="nobody runs this", max_attempts=1)
        with crew(3):
            until(lambda: not Lease.objects.exists())
        assert stage.order == [run.pk for run in runs if run.pk != runs[4].pk]
        assert [code_of(run) for run in runs] == ["told_to", None, "told_to", None, "internal_error", None]
        assert not stage.overlaps


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_of_ten_that_reject_one_is_accepted(self, owner: User) -> None:
        def submit(number: int) -> bool:
            try:
                new_run(owner, subject="s", if_running="reject")
            except Conflict:
                return False
            return True

        assert sum(in_threads(10, submit)) == 1
        assert Run.objects.count() == Lease.objects.count() == 1

    def test_of_ten_that_are_held_from_the_start_one_is(self, owner: User) -> None:
        statuses = in_threads(10, lambda number: new_run(owner, subject="s", claim=True).status)
        assert sorted(statuses) == [Status.PENDING] * 9 + [Status.RUNNING]
        assert Lease.objects.exclude(due_at=None).count() == 1

    def test_ten_that_queue_never_run_two_at_a_time(self, owner: User, stage: Stage) -> None:
        with crew(4):
            in_threads(10, lambda number: [new_run(owner, subject=f"s{place}") for place in range(2)])
            until(lambda: not Lease.objects.exists())
        assert (len(stage.order), stage.overlaps) == (20, [])
        assert Run.objects.filter(status=Status.COMPLETED, attempt=1).count() == 20

    def test_cancellations_among_them_leave_nobody_behind(self, owner: User, stage: Stage) -> None:
        def submit(number: int) -> None:
            run = new_run(owner, subject="s")
            if number % 2:
                transitions.request_cancel(run)

        with crew(4):
            in_threads(10, submit)
            until(lambda: not Lease.objects.exists())
        assert not stage.overlaps
        assert set(Run.objects.values_list("status", flat=True)) <= {Status.COMPLETED, Status.CANCELLED}

    def test_of_ten_interruptions_one_completes(self, owner: User, stage: Stage) -> None:
        stage.gate.clear()
        with crew(4):
            in_threads(10, lambda number: new_run(owner, subject="s", if_running="interrupt"))
            until(lambda: Lease.objects.count() == 1 and len(stage.inside) == 1)
            stage.gate.set()
            until(lambda: not Lease.objects.exists())
        statuses = list(Run.objects.values_list("status", flat=True))
        assert (statuses.count(Status.COMPLETED), statuses.count(Status.CANCELLED)) == (1, 9)
        assert not stage.overlaps


@pytest.mark.django_db(transaction=True)
def test_a_first_submission_that_is_undone_leaves_the_subject_free(owner: User, stage: Stage) -> None:
    with transaction.atomic():
        transitions.create_run(Run(kind=KIND, actor=owner, subject="s"))
        transaction.set_rollback(True)
    run = new_run(owner, subject="s", if_running="reject")
    execution.advance(run.pk)
    assert stored(run).status == Status.COMPLETED

"""What `runs_check` must find: each rule of the run spine, broken by hand."""

from collections.abc import Callable
from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import User
from gofannon.lib.clock import DatabaseNow
from workflows import check, leases, transitions
from workflows.models import Approval, Blocker, Effect, Event, Lease, Run, Status, Worker
from workflows.transitions import Note

pytestmark = pytest.mark.django_db


def begin(owner: User, **fields: Any) -> Run:
    return transitions.create_run(Run(**{"kind": "code", "actor_id": owner.pk, "owner_id": owner.pk, **fields}))


def held(run: Run) -> Run:
    claimed = transitions.claim_run(run.pk)
    assert claimed is not None
    return claimed


def asleep(run: Run, blocker: Blocker) -> Run:
    transitions.suspend_run(held(run), blocker=blocker)
    return run


def call_of(run: Run, **fields: Any) -> Effect:
    return Effect.objects.create(**{"run": run, "call": "1", "name": "tool", "attempt": 1, **fields})


def hear_worker() -> None:
    Worker.objects.create(id="w", role="worker", host="h", pid=1, started_at=DatabaseNow(), heard_at=DatabaseNow())


def broken_rules(**options: Any) -> set[tuple[str, str]]:
    return {(found.rule, found.subject) for found in check.violations(**options)}


@pytest.fixture
def sound(owner: User) -> Run:
    """One run of every kind of rest and unrest, as the engine itself leaves them. The one that was cancelled."""
    hear_worker()
    begin(owner)
    transitions.complete_run(held(begin(owner)), output=1)
    transitions.fail_run(held(begin(owner)), error={"code": "x"}, notes=(Note("log"),))
    transitions.suspend_run(held(begin(owner)), seconds=60)
    held(begin(owner, subject="s"))
    begin(owner, subject="s")
    transitions.import_run(Run(kind="code", status=Status.RUNNING))
    asking = begin(owner)
    Approval.objects.create(effect=call_of(asking), reason="required", expires_at=datetime(2099, 1, 1, tzinfo=UTC))
    asleep(asking, Blocker.APPROVAL)
    parent = begin(owner)
    call_of(parent, child=begin(owner, parent_id=parent.pk))
    asleep(parent, Blocker.CHILD)
    cancelled = begin(owner)
    transitions.request_cancel(cancelled)
    return cancelled


def test_what_the_engine_does_breaks_no_rule(sound: Run) -> None:
    out = StringIO()
    call_command("runs_check", stdout=out)
    assert out.getvalue() == "8 unfinished runs checked, 0 violations\n"


def test_what_wakes_a_run_leaves_none_behind(owner: User) -> None:
    parent = begin(owner)
    child = begin(owner, parent_id=parent.pk)
    call_of(parent, child=child)
    asleep(parent, Blocker.CHILD)
    first, second = begin(owner, subject="s"), begin(owner, subject="s")
    transitions.complete_run(held(child), output=1)
    transitions.complete_run(held(first), output=1)
    assert set(leases.due(10)) == {parent.pk, second.pk}
    assert broken_rules() == set()


def _without_lease(run: Run) -> None:
    Lease.objects.filter(run=run).delete()


def _ended_with_lease(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(status=Status.COMPLETED, finished_at=timezone.now())


def _never_due(run: Run) -> None:
    Lease.objects.filter(run=run).update(due_at=None)


def _unheld(run: Run) -> None:
    held(run)
    Lease.objects.filter(run=run).update(holder="")


def _held_though_waiting(run: Run) -> None:
    held(run)
    Run.objects.filter(pk=run.pk).update(status=Status.WAITING)


def _attempts(run: Run) -> None:
    Lease.objects.filter(run=run).update(attempt=F("attempt") + 1)


def _childless(run: Run) -> None:
    call_of(run, child=Run.objects.create(kind="code", status=Status.COMPLETED, finished_at=timezone.now()))
    asleep(run, Blocker.CHILD)


def _behind_nobody(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(subject="lonely")
    asleep(run, Blocker.QUEUED)


def _asked_nobody(run: Run) -> None:
    far = datetime(2099, 1, 1, tzinfo=UTC)
    Approval.objects.create(effect=call_of(run), reason="required", expires_at=far, decision="allow")
    transitions.suspend_run(held(run), seconds=3600, blocker=Blocker.APPROVAL)


def _overdue(run: Run) -> None:
    held(run)
    Lease.objects.filter(run=run).update(due_at=DatabaseNow(-61))


def _left_dispatched(run: Run) -> None:
    claimed = held(run)
    transitions.complete_run(claimed, output=1)
    call_of(run, status=Effect.Status.DISPATCHED)


def _gap(run: Run) -> None:
    transitions.append_events(held(run), [Note("a"), Note("b")])
    Event.objects.filter(run=run, seq=3).delete()


def _late_start(run: Run) -> None:
    Event.objects.filter(run=run).update(seq=2)
    Run.objects.filter(pk=run.pk).update(seq=1)


def _uncounted(run: Run) -> None:
    Run.objects.filter(pk=run.pk).update(seq=0)


BREAKS: dict[str, tuple[str, Callable[[Run], None]]] = {
    "no lease": ("no_lease", _without_lease),
    "a lease of one that has ended": ("lease_of_finished", _ended_with_lease),
    "neither due nor blocked": ("never_due", _never_due),
    "running and held by nobody": ("running_unheld", _unheld),
    "held and waiting": ("held_not_running", _held_though_waiting),
    "another number of claims": ("attempts", _attempts),
    "waiting for children that ended": ("child", _childless),
    "queued behind nobody": ("queued", _behind_nobody),
    "waiting for a decision that was made": ("approval", _asked_nobody),
    "expired and left alone": ("overdue", _overdue),
    "ended with a call under way": ("dispatched", _left_dispatched),
    "an event lost in the middle": ("events", _gap),
    "events that begin at two": ("events", _late_start),
    "events that nobody counted": ("events", _uncounted),
}


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_rule_is_found_and_no_other(owner: User, name: str) -> None:
    rule, spoil = BREAKS[name]
    run = begin(owner)
    spoil(run)
    assert broken_rules(events=True) == {(rule, run.pk)}
    assert broken_rules() == {(rule, run.pk)}


def test_every_rule_is_broken_once_here() -> None:
    assert {rule for rule, _ in BREAKS.values()} | {"subject"} == {*check.RULES, "events"}


def test_two_running_on_one_subject_are_found(owner: User) -> None:
    for _ in range(2):
        held(begin(owner))
    Run.objects.update(subject="s")
    assert broken_rules() == {("subject", "s")}


def test_an_expired_lease_is_no_fault_where_nobody_is_there_to_take_it(owner: User) -> None:
    _overdue(begin(owner))
    assert broken_rules() == set()


def test_a_violation_is_printed_and_is_the_exit_code(owner: User) -> None:
    run = begin(owner)
    _without_lease(run)
    out = StringIO()
    with pytest.raises(SystemExit) as exit_:
        call_command("runs_check", "--events", stdout=out)
    assert exit_.value.code == 1
    assert out.getvalue().splitlines() == [
        f"no_lease: {run.pk}: unfinished, but without a lease",
        "1 unfinished runs checked, 1 violations",
    ]


def test_without_events_only_those_of_the_newest_runs_are_counted(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "SAMPLE", 2)
    old = begin(owner)
    _uncounted(old)
    for _ in range(2):
        begin(owner)
    assert (broken_rules(), broken_rules(events=True)) == (set(), {("events", old.pk)})


def test_what_retention_took_is_no_gap(owner: User) -> None:
    run = begin(owner)
    _gap(run)
    transitions.request_cancel(run)
    Lease.objects.filter(run=run).delete()
    Run.objects.update(status=Status.COMPLETED, finished_at=DatabaseNow(-8 * 86_400))
    assert broken_rules(events=True) == set()


def test_a_thousand_runs_are_checked_with_as_many_queries_as_one(owner: User) -> None:
    costs = []
    for number in (1, 30):
        for _ in range(number):
            begin(owner)
        with CaptureQueriesContext(connection) as queries:
            check.violations(events=True)
        costs.append(len(queries))
    assert costs[0] == costs[1] == len(check.RULES) + 1

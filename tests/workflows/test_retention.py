"""What is forgotten, and above all what is not."""

from datetime import UTC, datetime
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext

from billing.models import User
from gofannon.lib.clock import DatabaseNow
from tests.factories.workflows import SessionFactory, TaskExecutionFactory, say
from tickets.models import Ticket
from workflows import check, retention, tasks, transitions
from workflows.models import (
    Approval,
    Checkpoint,
    Delivery,
    Effect,
    Event,
    Lease,
    Run,
    Session,
    SessionMessage,
    Status,
    Subject,
    TaskExecution,
    Worker,
)
from workflows.transitions import Note

pytestmark = pytest.mark.django_db
TYPES = [*retention.KEPT_EVENTS, "output", "stdout", "delta", "delta"]


def days_ago(days: float) -> DatabaseNow:
    return DatabaseNow(-days * retention.DAY_SECONDS)


def ended_run(owner: User, days: float, **fields: Any) -> Run:
    """A run that ended so many days ago, with an event of every type."""
    run = Run(**{"kind": "code", "actor_id": owner.pk, "owner_id": owner.pk, "status": Status.COMPLETED, **fields})
    run.save(force_insert=True)
    Event.objects.bulk_create(Event(run=run, seq=seq, type=name) for seq, name in enumerate(TYPES, start=1))
    Run.objects.filter(pk=run.pk).update(seq=len(TYPES), finished_at=days_ago(days), created_at=days_ago(days))
    Event.objects.filter(run=run).update(created_at=days_ago(days))
    return run


def types_of(run: Run) -> list[str]:
    return list(Event.objects.filter(run=run).order_by("seq").values_list("type", flat=True))


class TestEvents:
    def test_pieces_of_texts_go_first(self, owner: User) -> None:
        old, young = ended_run(owner, 7.1), ended_run(owner, 6.9)
        assert retention.forget_old()["deltas"] == 2
        assert types_of(old) == TYPES[:-2]
        assert types_of(young) == TYPES

    def test_of_an_old_run_what_logs_show_is_kept(self, owner: User) -> None:
        run, young = ended_run(owner, 90.1), ended_run(owner, 89.9)
        retention.forget_old()
        assert types_of(run) == list(retention.KEPT_EVENTS)
        assert types_of(young) == TYPES[:-2]

    def test_a_run_under_way_keeps_all_however_old_it_is(self, owner: User) -> None:
        run = ended_run(owner, 400)
        Run.objects.update(status=Status.RUNNING, finished_at=None)
        retention.forget_old()
        assert types_of(run) == TYPES

    def test_zero_days_keep_for_ever(self, owner: User, settings: Any) -> None:
        settings.RETAIN_DELTAS_DAYS = settings.RETAIN_EVENTS_DAYS = settings.RETAIN_DELIVERIES_DAYS = 0
        run = ended_run(owner, 4000)
        Delivery.objects.create(run=run, url="https://h/", status="failed", created_at=datetime(2000, 1, 1, tzinfo=UTC))
        assert not any(retention.forget_old().values())
        assert (types_of(run), Delivery.objects.count()) == (TYPES, 1)

    def test_what_was_forgotten_is_no_violation(self, owner: User) -> None:
        ended_run(owner, 7.1)
        retention.forget_old()
        assert check.violations(events=True) == []


class TestRuns:
    @pytest.fixture(autouse=True)
    def thirty_days(self, settings: Any) -> None:
        settings.RETAIN_RUNS_DAYS = 30

    def test_a_run_goes_with_all_that_is_on_it(self, owner: User) -> None:
        run, young = ended_run(owner, 30.1), ended_run(owner, 29.9)
        for each in (run, young):
            Ticket.objects.create(run=each)
            effect = Effect.objects.create(run=each, call="1", name="tool", attempt=1)
            Approval.objects.create(effect=effect, reason="required", expires_at=datetime(2099, 1, 1, tzinfo=UTC))
            Delivery.objects.create(run=each, url="https://h/", status=Delivery.Status.DELIVERED)
            Checkpoint.objects.create(run=each, data=b"x")
        TaskExecutionFactory.create(run=run)
        assert retention.forget_old()["runs"] == 1
        for model in (Run, Ticket, Effect, Approval, Delivery, Checkpoint):
            assert model.objects.count() == 1
        assert Run.objects.get() == young
        assert not Event.objects.exclude(run=young).exists()
        assert TaskExecution.objects.get().run_id is None

    def test_runs_stay_for_ever_where_nothing_else_is_said(self, owner: User, settings: Any) -> None:
        settings.RETAIN_RUNS_DAYS = 0
        ended_run(owner, 4000)
        assert "runs" not in retention.forget_old()
        assert Run.objects.exists()

    def test_a_run_whose_caller_or_called_is_under_way_stays(self, owner: User) -> None:
        old = ended_run(owner, 40)
        called = ended_run(owner, 40)
        caller = transitions.create_run(Run(kind="code", actor_id=owner.pk))
        transitions.create_run(Run(kind="code", parent_id=old.pk))
        Run.objects.filter(pk=called.pk).update(parent_id=caller.pk)
        waited_for = ended_run(owner, 40)
        Effect.objects.create(run=caller, call="1", name="agent", attempt=1, child=waited_for)
        assert retention.forget_old()["runs"] == 0
        for run in Run.objects.unfinished():
            transitions.request_cancel(run)
        assert retention.forget_old()["runs"] == 3

    def test_a_run_whose_webhook_was_not_told_stays(self, owner: User) -> None:
        delivery = Delivery.objects.create(run=ended_run(owner, 40), url="https://h/")
        assert retention.forget_old()["runs"] == 0
        Delivery.objects.filter(pk=delivery.pk).update(status=Delivery.Status.FAILED)
        assert retention.forget_old()["runs"] == 1

    def test_a_retry_outlives_what_it_was_a_retry_of(self, owner: User) -> None:
        first = Ticket.objects.create(run=ended_run(owner, 40))
        again = Ticket.objects.create(run=ended_run(owner, 1), retry_of=first)
        retention.forget_old()
        assert Ticket.objects.get().pk == again.pk

    def test_only_apps_that_said_so_lose_what_is_theirs(self, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(retention, "BEFORE_FORGETTING", [])
        Ticket.objects.create(run=ended_run(owner, 40))
        with pytest.raises(ProtectedError):
            retention.forget_old()
        assert Run.objects.exists()


class TestSessions:
    def expired(self, owner: User, seconds: float = -1, **fields: Any) -> Session:
        session: Session = SessionFactory.create(user=owner, **fields)
        say(session, 3)
        session.write_lists({"tags": ["a"]})
        Session.objects.filter(pk=session.pk).update(expires_at=DatabaseNow(seconds))
        return session

    def test_an_expired_one_goes_with_its_messages(self, owner: User) -> None:
        self.expired(owner)
        kept = self.expired(owner, seconds=60)
        forever: Session = SessionFactory.create(user=owner)
        assert retention.forget_old()["sessions"] == 1
        assert {*Session.objects.all()} == {kept, forever}
        assert {*SessionMessage.objects.values_list("session_id", flat=True)} == {kept.pk}

    @pytest.mark.parametrize("subject", ["{}", "sessions/{}"])
    def test_one_that_is_being_answered_stays(self, owner: User, subject: str) -> None:
        session = self.expired(owner)
        run = transitions.create_run(Run(kind="code", subject=subject.format(session.pk)))
        assert retention.forget_old()["sessions"] == 0
        assert SessionMessage.objects.count() == 3
        transitions.request_cancel(run)
        assert retention.forget_old()["sessions"] == 1

    def test_its_runs_stay(self, owner: User) -> None:
        session = self.expired(owner)
        ended_run(owner, 1, subject=session.pk)
        retention.forget_old()
        assert Run.objects.exists()


class TestOthers:
    def test_deliveries_that_ended_long_ago_go(self, owner: User) -> None:
        run = ended_run(owner, 1)
        for status in Delivery.Status:
            for days in (29, 31):
                delivery = Delivery.objects.create(run=run, url="https://h/", status=status)
                Delivery.objects.filter(pk=delivery.pk).update(created_at=days_ago(days))
        assert retention.forget_old()["deliveries"] == 2
        left = Delivery.objects.filter(created_at__lt=days_ago(30))
        assert list(left.values_list("status", flat=True)) == ["pending"]

    def test_workers_not_heard_from_for_a_day_go(self) -> None:
        for name, days in (("gone", 1.1), ("here", 0.9)):
            Worker.objects.create(
                id=name, role="worker", host="h", pid=1, started_at=days_ago(9), heard_at=days_ago(days)
            )
        assert retention.forget_old()["workers"] == 1
        assert Worker.objects.get().pk == "here"

    def test_a_subject_goes_when_nothing_runs_on_it(self) -> None:
        run = transitions.create_run(Run(kind="code", subject="s"))
        assert (retention.forget_old()["subjects"], Subject.objects.count()) == (0, 1)
        transitions.request_cancel(run)
        assert (retention.forget_old()["subjects"], Subject.objects.count()) == (1, 0)
        transitions.create_run(Run(kind="code", subject="s"))
        assert Subject.objects.get().pk == "s"


class TestPasses:
    def test_more_than_a_batch_goes_and_a_second_pass_finds_nothing(
        self, owner: User, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        monkeypatch.setattr(retention, "BATCH", 3)
        settings.RETAIN_RUNS_DAYS = 30
        for _ in range(8):
            ended_run(owner, 31)
        first = retention.forget_old()
        assert (first["deltas"], first["runs"]) == (16, 8)
        assert not any(retention.forget_old().values())
        assert not Event.objects.exists()

    def test_a_full_batch_fits_into_one_statement(self, owner: User) -> None:
        run = ended_run(owner, 8)
        more = range(len(TYPES) + 1, len(TYPES) + 1 + retention.BATCH)
        Event.objects.bulk_create(Event(run=run, seq=seq, type="delta") for seq in more)
        Event.objects.update(created_at=days_ago(8))
        assert retention.forget_old()["deltas"] == retention.BATCH + 2

    def test_no_statement_deletes_more_than_a_batch(
        self, owner: User, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        monkeypatch.setattr(retention, "BATCH", 3)
        settings.RETAIN_RUNS_DAYS = 30
        ended_run(owner, 31)
        with CaptureQueriesContext(connection) as queries:
            retention.forget_old()
        deletes = [query["sql"] for query in queries if query["sql"].startswith("DELETE") and "event" in query["sql"]]
        named = [sql.rsplit("IN (", 1)[1].count(",") + 1 for sql in deletes]
        assert len(named) > 4
        assert max(named) <= 3

    def test_when_the_time_is_up_the_rest_waits_for_the_next_pass(self, owner: User) -> None:
        ended_run(owner, 8)
        assert not any(retention.forget_old(seconds=0).values())
        assert retention.forget_old()["deltas"] == 2

    def test_a_held_run_is_never_touched(self, owner: User, settings: Any) -> None:
        settings.RETAIN_RUNS_DAYS = 1
        run = transitions.create_run(Run(kind="code", actor_id=owner.pk), claim=True)
        transitions.append_events(run, [Note("delta"), Note("other")])
        Run.objects.update(created_at=days_ago(400), updated_at=days_ago(400), started_at=days_ago(400))
        Event.objects.update(created_at=days_ago(400))
        tasks.forget()
        assert (Event.objects.count(), Lease.objects.count()) == (4, 1)

    def test_a_dry_run_counts_and_deletes_nothing(self, owner: User) -> None:
        ended_run(owner, 91)
        out = StringIO()
        call_command("forget", "--dry-run", stdout=out)
        assert {"deltas: 2 would be deleted", "events: 4 would be deleted"} <= set(out.getvalue().splitlines())
        assert Event.objects.count() == len(TYPES)
        out = StringIO()
        call_command("forget", stdout=out)
        assert {"deltas: 2 deleted", "events: 2 deleted"} <= set(out.getvalue().splitlines())

    def test_the_calendar_does_it(self, settings: Any) -> None:
        assert tasks.forget.name in {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

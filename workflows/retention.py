"""Forgetting what is past its time, in small transactions: what a batch deletes, it has selected by its keys first.

Nothing goes that the database's clock does not call old, nor anything that a run under way may still need. A pass that
is cut short, by its time or by a crash, is taken up by the next one.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat

from gofannon.lib.clock import DatabaseNow
from workflows.models import (
    UNFINISHED,
    Approval,
    Checkpoint,
    Delivery,
    Effect,
    Event,
    Run,
    Session,
    SessionMessage,
    SessionRow,
    Subject,
    TaskExecution,
    Worker,
)

BATCH = 1000
# Between two batches, for SQLite has one writer at a time and a lease waits for no one.
PAUSE_SECONDS = 0.05
DAY_SECONDS = 86_400.0
WORKER_DAYS = 1
DELTA = "delta"
# What a document's `logs` show of a run.
KEPT_EVENTS = ("created", "started", "completed", "failed", "cancelled", "waiting", "log", "approval", "decision")
# Apps above this one delete what they keep on runs, given by their ids, in the transaction that deletes the runs.
BEFORE_FORGETTING: list[Callable[[list[str]], object]] = []


@dataclass(slots=True)
class Pass:
    """One pass: how much it has deleted of what, and until when it goes on (by this process's monotonic clock)."""

    deadline: float
    deleted: dict[str, int]

    @property
    def over(self) -> bool:
        return time.monotonic() >= self.deadline

    def let_others_in(self) -> None:
        time.sleep(PAUSE_SECONDS)


def forget_old(*, seconds: float = 120.0) -> dict[str, int]:
    """Deletes what is past its time until nothing of it is left or the time is up: {"events": rows, ...}."""
    now = Pass(time.monotonic() + seconds, {})
    for name, find in _KINDS.items():
        rows = find()
        if rows is not None:
            now.deleted[name] = sum(_forget(rows, now))
    return now.deleted


def count_old() -> dict[str, int]:
    """What `forget_old` would delete, but for what goes along: a run's events, a session's messages."""
    return {name: rows.count() for name, find in _KINDS.items() if (rows := find()) is not None}


def _forget(rows: QuerySet[Any], now: Pass) -> Iterator[int]:
    """Deletes in the order of the keys, so that a pass looks at nothing twice. The rows of each batch."""
    last: Any = None
    while not now.over:
        following = rows if last is None else rows.filter(pk__gt=last)
        keys = list(following.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not keys:
            return
        yield _DELETE.get(rows.model, _delete_rows)(rows, keys, now)
        now.let_others_in()
        last = keys[-1]


def _delete_rows(rows: QuerySet[Any], keys: list[Any], now: Pass) -> int:
    with transaction.atomic():
        # The condition once more: what has come to be needed since stays.
        return rows.filter(pk__in=keys).delete()[1].get(rows.model._meta.label, 0)


def _delete_subjects(rows: QuerySet[Any], keys: list[Any], now: Pass) -> int:
    """Whoever begins a run on a subject locks its row first: the condition is asked anew under that lock."""
    with transaction.atomic():
        list(Subject.objects.select_for_update().filter(pk__in=keys).order_by("pk").values_list("pk"))
        return rows.filter(pk__in=keys).delete()[0]


def _delete_sessions(rows: QuerySet[Any], keys: list[Any], now: Pass) -> int:
    _delete_parts(SessionMessage.objects.filter(session_id__in=keys), now)
    if now.over:
        return 0
    with transaction.atomic():
        SessionRow.objects.filter(document_id__in=keys).delete()
        return rows.filter(pk__in=keys).delete()[1].get(Session._meta.label, 0)


def _delete_runs(rows: QuerySet[Any], keys: list[Any], now: Pass) -> int:
    for model, column in ((Event, "run_id"), (Approval, "effect__run_id"), (Effect, "run_id"), (Delivery, "run_id")):
        _delete_parts(model._default_manager.filter(**{f"{column}__in": keys}), now)
    if now.over:
        return 0
    with transaction.atomic():
        for prepare in BEFORE_FORGETTING:
            prepare(keys)
        # A document outlives the run that wrote it.
        TaskExecution.objects.filter(run_id__in=keys).update(run=None)
        Checkpoint.objects.filter(run_id__in=keys).delete()
        return Run.objects.filter(pk__in=keys).delete()[1].get(Run._meta.label, 0)


def _delete_parts(rows: QuerySet[Any], now: Pass) -> None:
    """What goes along with others, batch by batch, so that no transaction is as long as what it belongs to."""
    while not now.over:
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH])
        if not keys:
            return
        with transaction.atomic():
            rows.model._default_manager.filter(pk__in=keys).delete()
        now.let_others_in()


def _ago(days: float) -> DatabaseNow:
    return DatabaseNow(-days * DAY_SECONDS)


def _deltas() -> QuerySet[Event] | None:
    return _events(settings.RETAIN_DELTAS_DAYS, Q(type=DELTA))


def _most_events() -> QuerySet[Event] | None:
    return _events(settings.RETAIN_EVENTS_DAYS, ~Q(type__in=KEPT_EVENTS))


def _events(days: int, wanted: Q) -> QuerySet[Event] | None:
    # Older than its run's end is every event; that it is old itself is asked because it costs no look at the run.
    old = Q(created_at__lt=_ago(days), run__finished_at__lt=_ago(days))
    return Event.objects.filter(wanted, old) if days else None


def _runs() -> QuerySet[Run] | None:
    """Not those whose caller or whose called run is unfinished, or whose webhook has not been told."""
    if not settings.RETAIN_RUNS_DAYS:
        return None
    related = Run.objects.unfinished().filter(Q(parent_id=OuterRef("pk")) | Q(pk=OuterRef("parent_id")))
    waited_for = Effect.objects.filter(child_id=OuterRef("pk"), run__status__in=UNFINISHED)
    old = Run.objects.filter(finished_at__lt=_ago(settings.RETAIN_RUNS_DAYS)).exclude(status__in=UNFINISHED)
    untold = Delivery.objects.filter(run_id=OuterRef("pk"), status=Delivery.Status.PENDING)
    return old.filter(~Exists(related), ~Exists(waited_for), ~Exists(untold))


def _sessions() -> QuerySet[Session]:
    subjects = (OuterRef("pk"), Concat(Value(f"{Session.COLLECTION}/"), OuterRef("pk")))
    under_way = Run.objects.unfinished().filter(subject__in=subjects)
    return Session.objects.filter(~Exists(under_way), expires_at__lte=DatabaseNow())


def _deliveries() -> QuerySet[Delivery] | None:
    days = settings.RETAIN_DELIVERIES_DAYS
    ended = Delivery.objects.exclude(status=Delivery.Status.PENDING)
    return ended.filter(created_at__lt=_ago(days)) if days else None


def _workers() -> QuerySet[Worker]:
    return Worker.objects.filter(heard_at__lt=_ago(WORKER_DAYS))


def _subjects() -> QuerySet[Subject]:
    return Subject.objects.filter(~Exists(Run.objects.unfinished().filter(subject=OuterRef("pk"))))


# What is little first, so that much of one kind keeps none waiting for ever.
_KINDS: dict[str, Callable[[], QuerySet[Any] | None]] = {
    "workers": _workers,
    "subjects": _subjects,
    "sessions": _sessions,
    "deliveries": _deliveries,
    "deltas": _deltas,
    "events": _most_events,
    "runs": _runs,
}
_DELETE: dict[type[Model], Callable[[QuerySet[Any], list[Any], Pass], int]] = {
    Run: _delete_runs,
    Session: _delete_sessions,
    Subject: _delete_subjects,
}

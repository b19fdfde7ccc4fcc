"""Every change of a run's status, and nothing else changes one.

Writes of whoever holds the lease carry the attempt in their WHERE: a process that wakes up late writes nothing and
learns so by LeaseLost. Writes from outside (cancel) compete by the status instead.

    pending -> running -> completed | failed | cancelled
                  |  ^
                  v  |
                waiting
"""

from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from gofannon.lib.clock import DatabaseNow
from workflows import leases
from workflows.leases import LeaseLost
from workflows.models import UNFINISHED, Blocker, Event, Lease, Run, Status


@dataclass(frozen=True, slots=True)
class Note:
    """An event to be: its type and its data."""

    type: str
    data: dict[str, Any] = field(default_factory=dict)


def create_run(run: Run, *, claim: bool = False) -> Run:
    """Stores a new run with its lease: due at once, or (`claim`) held by this process from the start.

    The caller holds a transaction.
    """
    now = timezone.now()
    run.status = Status.RUNNING if claim else Status.PENDING
    run.attempt = 1 if claim else 0
    run.started_at = now if claim else None
    run.seq = 2 if claim else 1
    run.save(force_insert=True)
    due = DatabaseNow(leases.LEASE_SECONDS if claim else 0)
    Lease.objects.create(run=run, holder=leases.holder() if claim else "", attempt=run.attempt, due_at=due)
    notes = [Note("created"), *([Note("started", {"attempt": 1})] if claim else [])]
    _insert(run.pk, 0, notes)
    return run


def import_run(run: Run) -> None:
    """Stores a run that happened elsewhere, without a lease: nobody ever claims it."""
    if run.status in UNFINISHED:
        run.blocker = Blocker.IMPORTED
    run.save(force_insert=True)


def claim_run(run_id: str) -> Run | None:
    """Takes a due run for this process; None where it is not due, finished, or somebody else was first."""
    with transaction.atomic():
        if not leases.claim(run_id):
            return None
        now = timezone.now()
        claimed = Run.objects.filter(pk=run_id, status__in=UNFINISHED).update(
            status=Status.RUNNING,
            # The lease's attempt and the run's count together: each claim is one transaction over both.
            attempt=F("attempt") + 1,
            started_at=Coalesce("started_at", Value(now)),
            updated_at=now,
            wake_at=None,
            blocker="",
            blocker_detail="",
            seq=F("seq") + 1,
        )
        if not claimed:
            Lease.objects.filter(run_id=run_id).delete()
            return None
        run: Run = Run.objects.select_related("snapshot").get(pk=run_id)
        _insert(run_id, run.seq - 1, [Note("started", {"attempt": run.attempt})])
    return run


def complete_run(run: Run, *, output: Any, cost_nano: int = 0, notes: tuple[Note, ...] = ()) -> None:
    """Raises LeaseLost where this claim no longer holds the run."""
    _finish(run, Status.COMPLETED, {"output": output, "error": None}, cost_nano, (*notes, Note("completed")))


def fail_run(
    run: Run, *, error: dict[str, Any], cancelled: bool = False, cost_nano: int = 0, notes: tuple[Note, ...] = ()
) -> None:
    """`error` is `{code, message, permanent, partial?}`. Raises LeaseLost."""
    status = Status.CANCELLED if cancelled else Status.FAILED
    _finish(run, status, {"error": error}, cost_nano, (*notes, Note(status.value, {"error": error})))


def suspend_run(
    run: Run,
    *,
    seconds: float | None = None,
    blocker: Blocker = Blocker.NONE,
    detail: str = "",
    notes: tuple[Note, ...] = (),
) -> None:
    """Gives the run back: due again in `seconds`, or waiting for what `blocker` names. Raises LeaseLost."""
    if seconds is None and not blocker:
        raise ValueError("a run that waits has a wake-up or a blocker")
    wake_at = None if seconds is None else DatabaseNow(seconds)
    all_notes = (*notes, Note("waiting", {"blocker": str(blocker), "detail": detail}))
    with transaction.atomic():
        values = {"status": Status.WAITING, "wake_at": wake_at, "blocker": str(blocker), "blocker_detail": detail[:500]}
        _fenced(run, values, all_notes)
        Lease.objects.filter(run_id=run.pk, attempt=run.attempt).update(holder="", due_at=wake_at)


def release_run(run: Run) -> None:
    """Gives a run back unworked, due at once: a worker that drains hands on what it holds."""
    suspend_run(run, seconds=0, detail="handed on")


def request_cancel(run: Run) -> None:
    """Asks for the end of a run: one that nobody holds ends here, a held one when its holder hears of it."""
    now = timezone.now()
    error = cancelled_error()
    with transaction.atomic():
        Run.objects.filter(pk=run.pk, status__in=UNFINISHED, cancel_requested_at=None).update(cancel_requested_at=now)
        values = {"status": Status.CANCELLED, "error": error, "finished_at": now, "updated_at": now, "blocker": ""}
        idle = Run.objects.filter(pk=run.pk, status__in=(Status.PENDING, Status.WAITING))
        if idle.update(**values, wake_at=None, seq=F("seq") + 1):
            Lease.objects.filter(run_id=run.pk).delete()
            seq = Run.objects.values_list("seq", flat=True).get(pk=run.pk)
            _insert(run.pk, seq - 1, [Note("cancelled", {"error": error})])


def append_events(run: Run, notes: list[Note]) -> None:
    """Appends events of the holder. Raises LeaseLost."""
    with transaction.atomic():
        _fenced(run, {}, tuple(notes))


def cancelled_error() -> dict[str, Any]:
    return {"code": "cancelled", "message": "the run was cancelled", "permanent": True}


def _finish(run: Run, status: Status, values: dict[str, Any], cost_nano: int, notes: tuple[Note, ...]) -> None:
    run.finished_at = timezone.now()
    values |= {"status": status, "finished_at": run.finished_at, "cost_nano": F("cost_nano") + cost_nano}
    with transaction.atomic():
        _fenced(run, {**values, "wake_at": None, "blocker": ""}, notes)
        Lease.objects.filter(run_id=run.pk, attempt=run.attempt).delete()
    run.status, run.updated_at = status, run.finished_at
    run.output, run.error = values.get("output"), values["error"]
    run.cost_nano += cost_nano


def _fenced(run: Run, values: dict[str, Any], notes: tuple[Note, ...]) -> None:
    """Writes `values` and `notes` if this claim still holds the run. The caller holds a transaction."""
    held = Run.objects.filter(pk=run.pk, attempt=run.attempt, status=Status.RUNNING)
    values = {**values, "updated_at": timezone.now()}
    # Only a cancellation from outside moves the counter too, so it mostly stands where this process left it.
    if not held.filter(seq=run.seq).update(**values, seq=run.seq + len(notes)):
        if not held.update(**values, seq=F("seq") + len(notes)):
            raise LeaseLost(run.pk)
        run.seq = Run.objects.values_list("seq", flat=True).get(pk=run.pk) - len(notes)
    if notes:
        _insert(run.pk, run.seq, list(notes))
        run.seq += len(notes)


def _insert(run_id: str, after: int, notes: list[Note]) -> None:
    Event.objects.bulk_create(
        Event(run_id=run_id, seq=after + index, type=note.type, data=note.data)
        for index, note in enumerate(notes, start=1)
    )

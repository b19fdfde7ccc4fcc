"""Every change of a run's status, and nothing else changes one.

Writes of whoever holds the lease carry the attempt in their WHERE: a process that wakes up late writes nothing and
learns so by LeaseLost. Writes from outside (cancel, wake) compete by the status instead.

Rows are locked in one order, so that nobody waits in a circle: the subject, the run's lease, the run, the lease of
the run that called it.

    pending -> running -> completed | failed | cancelled
                  |  ^
                  v  |
                waiting
"""

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Case, DateTimeField, F, Q, Value, When
from django.db.models.functions import Coalesce, Least
from django.utils import timezone

from gofannon.lib.clock import DatabaseNow
from gofannon.lib.errors import ApiError
from gofannon.lib.returning import update_returning
from workflows import bus, doorbell, inside, leases, subjects
from workflows.leases import LeaseLost
from workflows.models import UNFINISHED, Blocker, Checkpoint, Effect, Event, Lease, Run, Status
from workflows.webhooks import rows as webhooks


@dataclass(frozen=True, slots=True)
class Note:
    """An event to be: its type and its data."""

    type: str
    data: dict[str, Any] = field(default_factory=dict)


def create_run(run: Run, *, claim: bool = False, if_running: subjects.Policy = "enqueue") -> Run:
    """Stores a new run with its lease: due at once, or (`claim`) held by this process from the start.

    Where an earlier run on its subject is unfinished, `if_running` decides: Conflict `busy`, behind it, or instead of
    it. A run that has to wait, for that or for its user's limit, is not claimed: look at `run.status`.
    The caller holds a transaction.
    """
    run.claim = leases.Claim(attempt=1, knocks=0, since=leases.clock())
    lane = run.actor_id or ""
    ahead = subjects.enter(run, if_running) if run.subject else None
    claim = claim and ahead is None and leases.admits(lane, run.agent_id)
    if not claim and not run.parent_id and leases.is_crowded(lane):
        message = f"{settings.RUNS_WAITING_PER_USER} of your runs wait already"
        raise ApiError(message, code="too_many_runs", status=429, headers={"Retry-After": "10"})
    now = timezone.now()
    run.status = Status.RUNNING if claim else Status.PENDING
    run.blocker, run.blocker_detail = (Blocker.QUEUED, f"behind {ahead.pk}") if ahead else ("", "")
    run.attempt = run.tries = 1 if claim else 0
    run.started_at = now if claim else None
    run.seq = 2 if claim else 1
    run.save(force_insert=True)
    Lease.objects.create(
        run=run,
        holder=leases.holder() if claim else "",
        attempt=run.attempt,
        due_at=None if ahead else DatabaseNow(leases.LEASE_SECONDS if claim else 0),
        lane=lane,
        agent_id=run.agent_id,
        # What a run calls is part of what its user has begun already.
        turn_at=now if claim or run.parent_id else leases.next_turn(lane),
    )
    _insert(run.pk, 0, [Note("created"), *([Note("started", {"attempt": 1})] if claim else [])])
    if ahead and if_running == "interrupt":
        for earlier in subjects.unfinished(run.subject).exclude(pk=run.pk):
            request_cancel(earlier)
    if not claim and not ahead:
        doorbell.ring(run.pk)
    return run


def import_run(run: Run) -> None:
    """Stores a run that happened elsewhere, without a lease: nobody ever claims it."""
    if run.status in UNFINISHED:
        run.blocker = Blocker.IMPORTED
    run.save(force_insert=True)


def claim_run(run_id: str) -> Run | None:
    """Takes a due run for this process; None where it is not due, finished, or somebody else was first."""
    with transaction.atomic():
        claim = leases.claim(run_id)
        if claim is None:
            return None
        now = timezone.now()
        claimed = Run.objects.filter(pk=run_id, status__in=UNFINISHED).update(
            status=Status.RUNNING,
            # The lease's attempt and the run's count together: each claim is one transaction over both.
            attempt=F("attempt") + 1,
            tries=F("tries") + 1,
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
        run.claim = claim
        _insert(run_id, run.seq - 1, [Note("started", {"attempt": run.attempt})])
    return run


def complete_run(run: Run, *, output: Any, cost_nano: int = 0, notes: tuple[Note, ...] = (), stdout: str = "") -> None:
    """Raises LeaseLost where this claim no longer holds the run."""
    values = {"output": output, "error": None, "stdout": stdout}
    _finish(run, Status.COMPLETED, values, cost_nano, (*notes, Note("completed")))


def fail_run(
    run: Run,
    *,
    error: dict[str, Any],
    cancelled: bool = False,
    cost_nano: int = 0,
    notes: tuple[Note, ...] = (),
    stdout: str = "",
) -> None:
    """`error` is `{code, message, permanent, partial?}`. Raises LeaseLost."""
    status = Status.CANCELLED if cancelled else Status.FAILED
    # Whoever sees the event need not be shown the agent's code.
    told = inside.without_inner(error)
    values = {"error": error, "stdout": stdout}
    _finish(run, status, values, cost_nano, (*notes, Note(status.value, {"error": told})))


def suspend_run(
    run: Run,
    *,
    seconds: float | None = None,
    blocker: Blocker = Blocker.NONE,
    detail: str = "",
    tries: int = 0,
    notes: tuple[Note, ...] = (),
) -> None:
    """Gives the run back: due again in `seconds`, or waiting for what `blocker` names, or for whichever comes first.

    One that was woken while it was worked on is due at once. `tries`: those without getting on that count from here.
    Raises LeaseLost.
    """
    if seconds is None and not blocker:
        raise ValueError("a run that waits has a wake-up or a blocker")
    wake_at = Value(None) if seconds is None else DatabaseNow(seconds)
    woken = Case(When(knocks=run.claim.knocks, then=wake_at), default=DatabaseNow(), output_field=DateTimeField())
    values: dict[str, Any] = {
        "status": Status.WAITING,
        "wake_at": wake_at,
        "blocker": str(blocker),
        "blocker_detail": detail[:500],
        "tries": tries,
    }
    with transaction.atomic():
        lease = Lease.objects.filter(run_id=run.pk, attempt=run.attempt)
        # Where nothing was worked on it keeps its turn; else it goes before what its user has not begun.
        turn_at = F("turn_at") if blocker == Blocker.SLOT else Least(F("turn_at"), DatabaseNow())
        lease.update(holder="", due_at=woken, turn_at=turn_at)
        _fenced(run, values, (*notes, Note("waiting", {"blocker": str(blocker), "detail": detail})))
        if seconds == 0:
            doorbell.ring(run.pk)
    run.status = Status.WAITING


def release_run(run: Run) -> None:
    """Gives a run back unworked, due at once: a worker that drains hands on what it holds."""
    suspend_run(run, seconds=0, detail="handed on", tries=max(0, run.tries - 1))


def wake_run(run_id: str) -> bool:
    """What the run waited for may have come: it is due now, or, where somebody works on it, once they give it back.

    Waking for nothing does no harm. False where the run has ended. The caller holds a transaction.
    """
    due_at = Case(When(holder="", then=DatabaseNow()), default=F("due_at"), output_field=DateTimeField())
    woken = Lease.objects.filter(run_id=run_id).update(knocks=F("knocks") + 1, due_at=due_at)
    if woken:
        doorbell.ring(run_id)
    return bool(woken)


def request_cancel(run: Run) -> None:
    """Asks for the end of a run and of those it called: one that nobody holds ends here, a held one when its holder
    hears of it.
    """
    now = timezone.now()
    error = cancelled_error()
    with transaction.atomic():
        subjects.lock(run.subject)
        Lease.objects.filter(run_id=run.pk).update(knocks=F("knocks") + 1)
        Run.objects.filter(pk=run.pk, status__in=UNFINISHED, cancel_requested_at=None).update(cancel_requested_at=now)
        values = {"status": Status.CANCELLED, "error": error, "finished_at": now, "updated_at": now, "blocker": ""}
        unheld = Q(status__in=(Status.PENDING, Status.WAITING)) | Q(status=Status.RUNNING, blocker=Blocker.IMPORTED)
        idle = Run.objects.filter(unheld, pk=run.pk)
        ended = update_returning(idle, {**values, "wake_at": None, "seq": F("seq") + 1}, "seq")
        for (seq,) in ended:
            Lease.objects.filter(run_id=run.pk).delete()
            _insert(run.pk, seq - 1, [Note("cancelled", {"error": error})])
            run.made_calls = True  # whoever held it may have
            _ended(run)
        if not ended:
            transaction.on_commit(lambda: _cancel_children(run))


def append_events(run: Run, notes: list[Note], *, progress: bool = False, **changes: Any) -> None:
    """Appends events of the holder; `changes` are columns of the run that change with them.

    `progress`: the run has got on, so earlier tries no longer count. Raises LeaseLost.
    """
    with transaction.atomic():
        _fenced(run, {**changes, **({"tries": 0} if progress else {})}, tuple(notes))
    if progress:
        run.tries = 0


def append_from_outside(run_id: str, note: Note) -> None:
    """Appends an event of somebody who does not hold the run. The caller holds a transaction."""
    for (seq,) in update_returning(Run.objects.filter(pk=run_id), {"seq": F("seq") + 1}, "seq"):
        _insert(run_id, seq - 1, [note])


def cancelled_error() -> dict[str, Any]:
    return {"code": "cancelled", "message": "the run was cancelled", "permanent": True}


def _finish(run: Run, status: Status, values: dict[str, Any], cost_nano: int, notes: tuple[Note, ...]) -> None:
    run.finished_at = timezone.now()
    values |= {"status": status, "finished_at": run.finished_at, "cost_nano": F("cost_nano") + cost_nano}
    with transaction.atomic():
        subjects.lock(run.subject)
        Lease.objects.filter(run_id=run.pk, attempt=run.attempt).delete()
        _fenced(run, {**values, "wake_at": None, "blocker": ""}, notes)
        _ended(run)
    run.status, run.updated_at = status, run.finished_at
    run.output, run.error, run.stdout = values.get("output"), values["error"], values["stdout"]
    run.cost_nano += cost_nano


def _ended(run: Run) -> None:
    """What follows the end of a run, in the same transaction."""
    if run.made_calls or run.attempt != 1:
        Effect.objects.filter(run_id=run.pk, status=Effect.Status.DISPATCHED).update(status=Effect.Status.UNKNOWN)
        Checkpoint.objects.filter(run_id=run.pk).delete()
        transaction.on_commit(lambda: _cancel_children(run))
    if run.parent_id:
        wake_run(run.parent_id)
    if run.subject:
        following = subjects.leave(run.subject)
        if following is not None:
            wake_run(following)
    if run.webhook_url:
        webhooks.add(run)


def _cancel_children(run: Run) -> None:
    for child in Run.objects.filter(parent_id=run.pk).unfinished():
        request_cancel(child)


def _fenced(run: Run, values: dict[str, Any], notes: tuple[Note, ...]) -> None:
    """Writes `values` and `notes` if this claim still holds the run. The caller holds a transaction."""
    held = Run.objects.filter(pk=run.pk, attempt=run.attempt, status=Status.RUNNING)
    values = {**values, "updated_at": timezone.now(), "seq": F("seq") + len(notes)}
    found = update_returning(held, values, "seq")
    if not found:
        raise LeaseLost(run.pk)
    run.seq = found[0][0]
    if notes:
        _insert(run.pk, run.seq - len(notes), list(notes))


def _insert(run_id: str, after: int, notes: list[Note]) -> None:
    Event.objects.bulk_create(
        Event(run_id=run_id, seq=after + index, type=note.type, data=note.data)
        for index, note in enumerate(notes, start=1)
    )
    bus.announce(run_id, after + len(notes))

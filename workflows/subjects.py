"""Subjects: one run at a time on what a run names as its subject (a session, a workflow, a caller's own name)."""

from datetime import timedelta
from typing import Literal

from django.db.models import F

from gofannon.lib.errors import Conflict
from workflows.models import UNFINISHED, Blocker, Run, Subject
from workflows.models.run import RunQuerySet

Policy = Literal["reject", "enqueue", "interrupt"]
# So many unfinished runs at once: whoever interrupts cancels all of them in one transaction.
MOST_WAITING = 100
POLICIES: tuple[Policy, ...] = ("reject", "enqueue", "interrupt")


def enter(run: Run, policy: Policy) -> Run | None:
    """The unfinished run right before `run`, which is not stored yet; None where the subject is free.

    Raises Conflict `busy` by the policy reject, `queue_full` where too many wait. The caller holds a transaction, and
    to its end the subject is locked.
    """
    lock(run.subject)
    ahead: Run | None = unfinished(run.subject).last()
    if ahead is None:
        return None
    if policy == "reject":
        raise Conflict("another run is at work on this subject", code="busy", extra={"run_id": ahead.pk})
    if policy == "enqueue" and unfinished(run.subject).count() >= MOST_WAITING:
        raise Conflict(f"{MOST_WAITING} runs stand on this subject already", code="queue_full")
    # The order on the subject; it was read before the lock, and from a clock of this machine.
    run.created_at = max(run.created_at, ahead.created_at + timedelta(microseconds=1))
    return ahead


def leave(subject: str) -> str | None:
    """The id of the run whose turn it is now that another has ended, if any. The caller holds the subject's lock."""
    others = unfinished(subject)
    if others.exclude(blocker=Blocker.QUEUED).exists():
        return None
    return others.values_list("pk", flat=True).first()


def lock(subject: str) -> None:
    """To the end of the caller's transaction nobody else enters or leaves the subject. Nothing for the empty one."""
    if subject and not _touch(subject):
        Subject.objects.get_or_create(pk=subject)
        _touch(subject)


def _touch(subject: str) -> int:
    return Subject.objects.filter(pk=subject).update(changes=F("changes") + 1)


def unfinished(subject: str) -> RunQuerySet:
    """The unfinished runs on a subject in their order."""
    runs = Run.objects.filter(subject=subject, status__in=UNFINISHED).exclude(blocker=Blocker.IMPORTED)
    return runs.order_by("created_at", "pk")

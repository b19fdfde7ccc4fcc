"""Approvals: a run asks, an owner, an editor or an operator answers, once; whoever answers wakes the run."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from agents.models import Agent
from gofannon.lib.clock import DatabaseNow
from gofannon.lib.errors import ApiError, Conflict
from workflows import transitions
from workflows.execution import persist
from workflows.models import Approval, Decision, Effect
from workflows.runners import Control
from workflows.transitions import Note


def ask(control: Control, effect: Effect, reason: Approval.Reason) -> Approval:
    """Stores the question; with it, that the outcome of a dispatched call is unknown. Raises LeaseLost.

    In one transaction: an unknown outcome always has a question of its own, which nobody has answered before.
    """
    asked = Approval.objects.filter(effect=effect).count()
    approval = Approval(
        effect=effect,
        number=asked + 1,
        reason=reason,
        expires_at=timezone.now() + timedelta(seconds=settings.APPROVAL_SECONDS),
    )
    data = {"call": effect.call, "name": effect.name, "reason": str(reason), "options": list(approval.options)}

    def write() -> None:
        with transaction.atomic():
            if not Approval.objects.filter(effect=effect, number=approval.number).exists():
                transitions.append_events(control.run, [Note("approval", data)])
                Effect.objects.filter(pk=effect.pk, status=Effect.Status.DISPATCHED).update(
                    status=Effect.Status.UNKNOWN
                )
                approval.save(force_insert=True)

    persist(control, write)
    effect.refresh_from_db(fields=["status"])
    return approval


def latest(effect: Effect) -> Approval | None:
    """The newest question about the call; one that nobody answered in time is decided `expired` by this look."""
    approval = Approval.objects.filter(effect=effect).order_by("-number").first()
    if approval is not None and not approval.decision:
        late = Approval.objects.filter(pk=approval.pk, decision="", expires_at__lte=DatabaseNow())
        if late.update(decision=Decision.EXPIRED, decided_at=timezone.now()):
            approval.decision = Decision.EXPIRED
        else:
            approval.refresh_from_db()
    return approval


def decidable_by(user: Any) -> QuerySet[Approval]:
    """The approvals that a user may decide: as the agent's owner, as one of its editors, or as staff."""
    approvals = Approval.objects.all()
    if user.is_staff:
        return approvals
    editable = Agent.objects.editable_by(user).values("pk")
    return approvals.filter(Q(effect__run__owner_id=user.pk) | Q(effect__run__agent_id__in=editable))


def decide_approval(*, actor: Any, approval: Approval, decision: str, result: Any = None) -> None:
    """Answers the question and wakes the run. Whether `actor` may is the caller's to check (`decidable_by`).

    Raises ApiError `not_an_option` (path `decision`), 400 with the path `result` where a result comes with anything
    but accept, Conflict `decided` for one that is decided, expired, or asked by a run that has ended.
    """
    if decision not in approval.options:
        raise ApiError(f"choose one of {', '.join(approval.options)}", code="not_an_option", path="decision")
    if result is not None and decision != Decision.ACCEPT:
        raise ApiError("a result goes with accept only", path="result")
    run_id = approval.effect.run_id
    values = {"decision": decision, "result": result, "decided_at": timezone.now(), "decided_by_id": actor.pk}
    with transaction.atomic():
        open_ = Approval.objects.filter(pk=approval.pk, decision="", expires_at__gt=DatabaseNow())
        if not open_.update(**values):
            raise Conflict("this is decided already, or nobody decided it in time", code="decided")
        if not transitions.wake_run(run_id):
            raise Conflict("the run that asked has ended", code="decided")
        data = {"call": approval.effect.call, "decision": decision, "by": actor.pk}
        transitions.append_from_outside(run_id, Note("decision", data))
    for name, value in values.items():
        setattr(approval, name, value)


def seconds_to_expiry(run_id: str) -> float | None:
    """Until the first undecided question of a run expires, at least one; None where there is none.

    By this machine's clock, while the database's decides: that may be behind.
    """
    open_ = Approval.objects.filter(effect__run_id=run_id, decision="").order_by("expires_at")
    first = open_.values_list("expires_at", flat=True).first()
    return None if first is None else max(1.0, (first - timezone.now()).total_seconds())

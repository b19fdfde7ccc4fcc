"""The facts behind a `why`, read with a handful of queries however much waits."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery

from agents.models import Agent
from gofannon.lib.clock import DatabaseNow
from workflows.models import Approval, Blocker, Effect, Lease, Run, Worker

HEARD_WITHIN_SECONDS = 10.0
# Further ones are not counted one by one.
MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Other:
    """Another run that this one waits for. `shown`: whoever asks may see it."""

    id: str
    status: str
    blocker: str = ""
    shown: bool = True


@dataclass(frozen=True, slots=True)
class Facts:
    """What `explain` goes by. Those that a run's state does not call for keep their defaults."""

    now: datetime
    run: Run
    lease: Lease | None = None
    agent: str = ""
    names_workers: bool = False
    holder: Worker | None = None
    workers: int = 0
    ahead: int = 0
    held_by_user: int = 0
    held_by_agent: int = 0
    user_limit: int = 0
    agent_limit: int = 0
    others: tuple[Other, ...] = field(default=())
    approvals: tuple[Approval, ...] = field(default=())


def load_facts(run_id: str, user: Any) -> Facts:
    """At most five queries, however much waits. What `user` may not see is not `shown`, and an agent is not named to
    them; workers are named to staff. None sees all.

    Raises Run.DoesNotExist.
    """
    all_shown = user is None or user.is_staff
    agents = Agent.objects.all() if all_shown else Agent.objects.visible_to(user)
    name = Subquery(agents.filter(pk=OuterRef("agent_id")).values("name")[:1])
    found = Run.objects.select_related("lease").defer("input", "output").annotate(now=DatabaseNow(), named=name)
    run = found.get(pk=run_id)
    lease: Lease | None = getattr(run, "lease", None)
    agent = run.named or run.deployment_id or (run.agent_id if all_shown else "")
    known: dict[str, Any] = {"now": run.now, "run": run, "lease": lease, "agent": agent, "names_workers": all_shown}
    if lease is None or run.is_finished:
        return Facts(**known)
    heard = Worker.objects.filter(role="worker", heard_at__gt=DatabaseNow(-HEARD_WITHIN_SECONDS))
    known["workers"] = heard.count()
    if lease.holder and all_shown:
        known["holder"] = Worker.objects.filter(pk=lease.holder).first()
    elif lease.due_at is not None and lease.due_at <= run.now:
        known.update(_load_queue(lease))
    elif run.blocker == Blocker.CHILD:
        called = Effect.objects.filter(run_id=run.pk, child__isnull=False).values("child_id")
        known["others"] = _load_others(Run.objects.unfinished().filter(pk__in=called), user)
    elif run.blocker == Blocker.QUEUED:
        earlier = Q(created_at__lt=run.created_at) | Q(created_at=run.created_at, pk__lt=run.pk)
        on_it = Run.objects.unfinished().filter(earlier, subject=run.subject).exclude(blocker=Blocker.IMPORTED)
        known["others"] = _load_others(on_it, user)
    elif run.blocker == Blocker.APPROVAL:
        asked = Approval.objects.filter(effect__run_id=run.pk, decision="").select_related("effect")
        known["approvals"] = tuple(asked.order_by("requested_at", "pk")[:MOST_COUNTED])
    return Facts(**known)


def _load_queue(lease: Lease) -> dict[str, Any]:
    waiting = Lease.objects.filter(holder="", due_at__lte=DatabaseNow(), turn_at__lt=lease.turn_at)
    counts = {
        "held_by_user": Count("pk", filter=Q(lane=lease.lane)),
        "held_by_agent": Count("pk", filter=Q(agent_id=lease.agent_id)),
    }
    found: dict[str, Any] = {"ahead": waiting[: MOST_COUNTED + 1].count()}
    if lease.lane:  # a run that another run called is part of that one, and waits for no limit
        held = Lease.objects.filter(~Q(holder="") & ~Q(lane=""), due_at__gt=DatabaseNow())
        found |= held.aggregate(**counts)
        found |= {"user_limit": settings.RUNS_PER_USER, "agent_limit": settings.RUNS_PER_AGENT}
    return found


def _load_others(runs: QuerySet[Run], user: Any) -> tuple[Other, ...]:
    visible = Run.objects.all() if user is None else Run.objects.visible_to(user)
    shown = Exists(visible.filter(pk=OuterRef("pk")))
    rows = runs.annotate(shown=shown).order_by("created_at", "pk")[:MOST_COUNTED]
    return tuple(Other(*row) for row in rows.values_list("pk", "status", "blocker", "shown"))

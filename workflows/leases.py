"""Leases: claiming, renewing and giving back runs. Every decision is one conditional UPDATE by the database's clock.

Fairness: `turn_at` says whose turn it is. A run that comes when nothing else of its user waits has its turn right after
the run that is next; each further one `TURN_SECONDS` after the one before. So a thousand runs of one user stand behind
the next run of anybody else, and users with backlogs take turns.
"""

import os
import secrets
import socket
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db import connection
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from gofannon.lib.clock import DatabaseNow
from gofannon.lib.returning import update_returning
from workflows.models import Lease

LEASE_SECONDS = 8.0
BEAT_SECONDS = 2.0
# A call that leaves the house in the last of these seconds might still be on its way when another worker takes over.
MARGIN_SECONDS = 1.5
TURN_SECONDS = 10.0


class LeaseLost(Exception):
    """Another claim holds the run by now: whatever this one still wanted to write is not written."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim found: the fencing token, the wake-ups until then, and this machine's clock just before it."""

    attempt: int
    knocks: int
    since: float


def clock() -> float:
    """Seconds on a clock of this machine that goes on while a process is stopped or the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@cache
def _holder(pid: int) -> str:
    return f"{socket.gethostname()[:30]}-{pid}-{secrets.token_hex(6)}"


def holder() -> str:
    """This process's name in leases. Random beside the pid, because pids come back."""
    return _holder(os.getpid())


def claim(run_id: str) -> Claim | None:
    """Takes the run's lease if it is due; None where somebody else was first, or its user or agent is at its limit.

    The caller holds a transaction.
    """
    since = clock()
    due = Lease.objects.filter(run_id=run_id, due_at__lte=DatabaseNow())
    values = {"holder": holder(), "attempt": F("attempt") + 1, "due_at": DatabaseNow(LEASE_SECONDS)}
    found = update_returning(due, values, "attempt", "knocks", "lane", "agent_id")
    if not found:
        return None
    attempt, knocks, lane, agent_id = found[0]
    if not _within_limits({"lane": lane, "agent_id": agent_id}, counted=1):
        Lease.objects.filter(run_id=run_id).update(holder="", attempt=attempt - 1, due_at=DatabaseNow())
        return None
    return Claim(attempt, knocks, since)


def admits(lane: str, agent_id: str) -> bool:
    """Whether a new run of the user on the agent may begin now. The caller inserts it in the same transaction."""
    return _within_limits({"lane": lane, "agent_id": agent_id})


def renew(run_ids: list[str]) -> set[str]:
    """Prolongs those of the runs that this process still holds; their ids."""
    mine = Lease.objects.filter(holder=holder(), run_id__in=run_ids)
    return {run_id for (run_id,) in update_returning(mine, {"due_at": DatabaseNow(LEASE_SECONDS)}, "run")}


def due(limit: int) -> list[str]:
    """The ids of runs that any worker may claim now, in the order of their turns."""
    rows = Lease.objects.filter(due_at__lte=DatabaseNow())
    for column, most in _limits():
        rows = rows.exclude(**{f"{column}__in": _full(column, most)})
    return list(rows.order_by("turn_at", "run_id").values_list("run_id", flat=True)[:limit])


def next_turn(lane: str) -> datetime:
    """When a new run of the user has its turn: after the one that is next, and after their own that wait.

    Turns pass as runs are claimed and not by the clock, so that a backlog that is worked off slowly stands before
    nobody who comes meanwhile.
    """
    waiting = Lease.objects.filter(holder="", due_at__lte=DatabaseNow())
    next_ = waiting.order_by("turn_at").values_list("turn_at", flat=True).first()
    turn = timezone.now() if next_ is None else min(timezone.now(), next_ + timedelta(milliseconds=1))
    last = waiting.filter(lane=lane).order_by("-turn_at").values_list("turn_at", flat=True).first() if lane else None
    return turn if last is None else max(turn, last + timedelta(seconds=TURN_SECONDS))


def is_crowded(lane: str) -> bool:
    """Whether as many runs of the user wait as may."""
    most = settings.RUNS_WAITING_PER_USER
    return bool(lane) and Lease.objects.filter(lane=lane, holder="")[:most].count() >= most


def _limits() -> list[tuple[str, int]]:
    limits = (("lane", settings.RUNS_PER_USER), ("agent_id", settings.RUNS_PER_AGENT))
    return [(column, most) for column, most in limits if most]


def _held() -> QuerySet[Lease]:
    """What is worked on now."""
    return Lease.objects.filter(~Q(holder=""), due_at__gt=DatabaseNow())


def _full(column: str, most: int) -> QuerySet[Lease, str]:
    names: QuerySet[Lease, str] = (
        _held()
        .exclude(**{column: ""})
        .values(column)
        .annotate(held=Count("pk"))
        .filter(held__gte=most)
        .values_list(column, flat=True)
    )
    return names


def _within_limits(values: dict[str, str], counted: int = 0) -> bool:
    """Whether there is room for one more beside those held; `counted` of them are the one in question itself."""
    for column, most in _limits():
        if not values[column]:
            continue
        _alone(f"{column}:{values[column]}")
        if _held().filter(**{column: values[column]}).count() - counted >= most:
            return False
    return True


def _alone(name: str) -> None:
    """To the end of the transaction, nobody else counts under this name. SQLite has one writer at a time anyhow."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [name])

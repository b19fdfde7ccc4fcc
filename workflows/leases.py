"""Leases: claiming, renewing and giving back runs. Every decision is one conditional UPDATE by the database's clock."""

import os
import secrets
import socket
from functools import cache

from django.db.models import F

from gofannon.lib.clock import DatabaseNow
from workflows.models import Lease

LEASE_SECONDS = 8.0
BEAT_SECONDS = 2.0


class LeaseLost(Exception):
    """Another claim holds the run by now: whatever this one still wanted to write is not written."""


@cache
def _holder(pid: int) -> str:
    return f"{socket.gethostname()[:30]}-{pid}-{secrets.token_hex(6)}"


def holder() -> str:
    """This process's name in leases. Random beside the pid, because pids come back."""
    return _holder(os.getpid())


def claim(run_id: str) -> bool:
    """Takes the run's lease if it is due; false where somebody else was first."""
    due = Lease.objects.filter(run_id=run_id, due_at__lte=DatabaseNow())
    return bool(due.update(holder=holder(), attempt=F("attempt") + 1, due_at=DatabaseNow(LEASE_SECONDS)))


def renew(run_ids: list[str]) -> set[str]:
    """Prolongs those of the runs that this process still holds; their ids."""
    mine = Lease.objects.filter(holder=holder(), run_id__in=run_ids)
    mine.update(due_at=DatabaseNow(LEASE_SECONDS))
    return set(mine.values_list("run_id", flat=True))


def due(limit: int) -> list[str]:
    """The ids of runs that any worker may claim now, longest due first."""
    rows = Lease.objects.filter(due_at__lte=DatabaseNow()).order_by("due_at")
    return list(rows.values_list("run_id", flat=True)[:limit])

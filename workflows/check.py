"""The invariants of the run spine, asked of the database. Each rule is one statement, so that it may be asked while
everything runs: what one transaction changes together, one statement sees together.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet

from gofannon.lib.clock import DatabaseNow
from workflows.models import UNFINISHED, Approval, Blocker, Effect, Lease, Run, Status, Worker
from workflows.why_facts import HEARD_WITHIN_SECONDS

OVERDUE_SECONDS = 60.0
# Runs whose events are counted where not all are: the newest.
SAMPLE = 1000
DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Violation:
    """`subject`: the id of a run, or what two of them share."""

    rule: str
    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.subject}: {self.message}"


def count_unfinished() -> int:
    return Run.objects.unfinished().count()


def violations(*, events: bool = False) -> list[Violation]:
    """Everything that must not be, with as many queries for one run as for 100,000.

    `events`: the events of every run are counted, else of the newest `SAMPLE`.
    """
    found = []
    for rule, (message, rows) in RULES.items():
        found += [Violation(rule, key, message) for key in rows()]
    found += [Violation("events", key, message) for key, message in _gaps_of_events(None if events else SAMPLE)]
    return found


def _leases() -> QuerySet[Lease]:
    """Of unfinished runs: a finished one that has a lease is another rule's."""
    return Lease.objects.filter(run__status__in=UNFINISHED)


def _keys(leases: QuerySet[Lease]) -> Iterator[str]:
    yield from leases.values_list("run_id", flat=True)


def _without_lease() -> Iterator[str]:
    runs = Run.objects.unfinished().filter(lease=None).exclude(blocker=Blocker.IMPORTED)
    yield from runs.values_list("pk", flat=True)


def _finished_with_lease() -> Iterator[str]:
    yield from _keys(Lease.objects.exclude(run__status__in=UNFINISHED))


def _never_due() -> Iterator[str]:
    yield from _keys(_leases().filter(due_at=None, run__blocker=""))


def _running_unheld() -> Iterator[str]:
    yield from _keys(_leases().filter(run__status=Status.RUNNING, holder=""))


def _held_not_running() -> Iterator[str]:
    yield from _keys(_leases().exclude(holder="").exclude(run__status=Status.RUNNING))


def _attempts_differ() -> Iterator[str]:
    yield from _keys(_leases().exclude(attempt=F("run__attempt")))


def _asleep(blocker: Blocker) -> QuerySet[Lease]:
    """Nobody holds them, and nobody woke them yet."""
    later = Q(due_at=None) | Q(due_at__gt=DatabaseNow())
    return _leases().filter(later, holder="", run__blocker=blocker)


def _childless() -> Iterator[str]:
    called = Effect.objects.filter(run_id=OuterRef("run_id"), child__status__in=UNFINISHED)
    yield from _keys(_asleep(Blocker.CHILD).filter(~Exists(called)))


def _behind_nobody() -> Iterator[str]:
    before = Q(created_at__lt=OuterRef("run__created_at")) | Q(
        created_at=OuterRef("run__created_at"), pk__lt=OuterRef("run_id")
    )
    earlier = Run.objects.unfinished().filter(before, subject=OuterRef("run__subject")).exclude(blocker="imported")
    yield from _keys(_asleep(Blocker.QUEUED).filter(~Exists(earlier)))


def _asked_nobody() -> Iterator[str]:
    asked = Approval.objects.filter(effect__run_id=OuterRef("run_id"), decision="")
    yield from _keys(_asleep(Blocker.APPROVAL).filter(~Exists(asked)))


def _two_on_one_subject() -> Iterator[str]:
    running = Run.objects.filter(status=Status.RUNNING).exclude(subject="")
    crowded: Any = running.values("subject").annotate(runs=Count("pk")).filter(runs__gt=1)
    yield from crowded.values_list("subject", flat=True)


def _overdue() -> Iterator[str]:
    heard = Worker.objects.filter(role="worker", heard_at__gt=DatabaseNow(-HEARD_WITHIN_SECONDS))
    dead = _leases().exclude(holder="").filter(Exists(heard), due_at__lt=DatabaseNow(-OVERDUE_SECONDS))
    yield from _keys(dead)


def _left_dispatched() -> Iterator[str]:
    effects = Effect.objects.filter(status=Effect.Status.DISPATCHED).exclude(run__status__in=UNFINISHED)
    yield from effects.values_list("run_id", flat=True).distinct()


def _gaps_of_events(sample: int | None) -> Iterator[tuple[str, str]]:
    """(run, what its events are like) of runs of which retention has taken none yet."""
    runs = Run.objects.order_by()
    if sample is not None:
        runs = runs.filter(pk__in=Run.objects.order_by("-created_at", "-pk").values("pk")[:sample])
    days = [days for days in (settings.RETAIN_DELTAS_DAYS, settings.RETAIN_EVENTS_DAYS) if days]
    if days:
        runs = runs.filter(Q(finished_at=None) | Q(finished_at__gt=DatabaseNow(-min(days) * DAY_SECONDS)))
    counted: Any = runs.values("pk", "seq").annotate(
        events_found=Count("events"), first=Min("events__seq"), last=Max("events__seq")
    )
    gapless = Q(events_found=F("seq")) & (Q(seq=0) | Q(first=1, last=F("seq")))
    for row in counted.exclude(gapless):
        numbered = f"{row['events_found']} events numbered {row['first']} to {row['last']}"
        yield row["pk"], f"{numbered}, where the run counts 1 to {row['seq']}"


RULES: dict[str, tuple[str, Callable[[], Iterator[str]]]] = {
    "no_lease": ("unfinished, but without a lease", _without_lease),
    "lease_of_finished": ("finished, but with a lease", _finished_with_lease),
    "never_due": ("never due, and nothing is named that it waits for", _never_due),
    "running_unheld": ("running, but nobody holds it", _running_unheld),
    "held_not_running": ("held, but not running", _held_not_running),
    "attempts": ("the lease counts other claims than the run", _attempts_differ),
    "child": ("waits for a run that it called, and none of them is unfinished", _childless),
    "queued": ("waits for an earlier run on its subject, and none is unfinished", _behind_nobody),
    "approval": ("waits for an approval, and none is open", _asked_nobody),
    "subject": ("two runs are running on this subject", _two_on_one_subject),
    "overdue": (f"its lease ran out {OVERDUE_SECONDS:g} s ago, and no worker that is there took it", _overdue),
    "dispatched": ("finished, but a call of it still counts as under way", _left_dispatched),
}

"""The deliveries that wait to be sent. Every decision is one conditional UPDATE by the database's clock.

A try is logged before it begins, as `{"at"}`, and what came of it is added afterwards: a line that stayed without is
a try whose worker was lost. `attempts` counts the tries and is the fencing token of the write that ends one.
"""

from collections.abc import Collection
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from gofannon.lib import clock
from gofannon.lib.clock import DatabaseNow
from workflows.models import Delivery
from workflows.webhooks.outcome import Outcome, seconds_to_next

# After so long without an outcome a try counts as lost, and another worker takes the next.
LEASE_SECONDS = 60.0


class Waiting(NamedTuple):
    """A delivery that is due."""

    id: str
    host: str
    actor_id: str | None


def due(
    limit: int,
    *,
    without_ids: Collection[str] = (),
    without_hosts: Collection[str] = (),
    without_actors: Collection[str] = (),
) -> list[Waiting]:
    """Deliveries that any worker may send now, longest due first.

    Left out in the query itself are those named, so that none of them stands before others: hosts as `host_of` spells
    them; actors by id.
    """
    rows = Delivery.objects.filter(status=Delivery.Status.PENDING, due_at__lte=DatabaseNow())
    if without_ids:
        rows = rows.exclude(pk__in=without_ids)
    if without_hosts:
        rows = rows.exclude(host__in=without_hosts)
    if without_actors:
        rows = rows.filter(Q(run__actor_id=None) | ~Q(run__actor_id__in=without_actors))
    found = rows.order_by("due_at").values_list("pk", "host", "run__actor_id")
    return [Waiting(*row) for row in found[:limit]]


def take(delivery_id: str) -> Delivery | None:
    """Begins a try, which this process then makes; None where it is not due, or somebody else was first.

    A delivery whose tries are used up, the last of them lost, fails here.
    """
    delivery = Delivery.objects.filter(pk=delivery_id, status=Delivery.Status.PENDING).first()
    if delivery is None:
        return None
    tries = delivery.attempts
    due_now = Delivery.objects.filter(
        pk=delivery_id, status=Delivery.Status.PENDING, attempts=tries, due_at__lte=DatabaseNow()
    )
    if tries >= settings.WEBHOOK_MAX_TRIES:
        due_now.update(status=Delivery.Status.FAILED, due_at=None)
        return None
    delivery.attempts = tries + 1
    delivery.log = [*delivery.log, {"at": clock.iso(timezone.now())}]
    taken = due_now.update(attempts=delivery.attempts, log=delivery.log, due_at=DatabaseNow(LEASE_SECONDS))
    return delivery if taken else None


def settle(delivery: Delivery, outcome: Outcome, seconds: float) -> bool:
    """Stores what came of a try that took `seconds`; false where another try has begun since, or it is over."""
    log = [*delivery.log[:-1], {**delivery.log[-1], **outcome.logged(), "seconds": round(seconds, 3)}]
    mine = Delivery.objects.filter(pk=delivery.pk, status=Delivery.Status.PENDING, attempts=delivery.attempts)
    values: dict[str, Any]
    if outcome.is_delivered:
        values = {"status": Delivery.Status.DELIVERED, "due_at": None, "delivered_at": timezone.now()}
    elif (pause := seconds_to_next(outcome, delivery.attempts)) is None:
        values = {"status": Delivery.Status.FAILED, "due_at": None}
    else:
        values = {"due_at": DatabaseNow(pause)}
    return bool(mine.update(log=log, **values))

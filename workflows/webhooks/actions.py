"""What people do with deliveries. API and admin both come through here."""

from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from gofannon.lib.errors import Conflict
from workflows.models import Delivery
from workflows.webhooks import rows


def visible_to(user: Any) -> QuerySet[Delivery]:
    """The deliveries that tell of the user's own runs; staff sees all.

    An address may hold a secret of its own, so that an agent's owner or the payer see none of another's.
    """
    found = Delivery.objects.all()
    return found if user.is_staff else found.filter(run__actor_id=user.pk)


def replay_delivery(*, delivery: Delivery) -> Delivery:
    """Tells it again to the same address, as a new delivery with an id of its own.

    Raises Conflict (`not_finished`) for one that is still being sent.
    """
    if delivery.status == Delivery.Status.PENDING:
        raise Conflict("the delivery is still under way", code="not_finished")
    again = Delivery(run_id=delivery.run_id, url=delivery.url, replay_of=delivery)
    with transaction.atomic():
        rows.store(again)
    again.refresh_from_db()
    return again

"""New deliveries: a row in the transaction of what they tell of, and a bell for this process's sender."""

import threading

from django.db import transaction

from gofannon.lib.clock import DatabaseNow
from workflows.models import Delivery, Run

# Heard by the sender of this process, if it has one; the senders of others look for themselves.
bell = threading.Event()


def add(run: Run) -> None:
    """Stores that `run.webhook_url` is to be told of the run's end. Does nothing where it names nobody.

    The caller holds the transaction that ends the run.
    """
    if run.webhook_url:
        store(Delivery(run_id=run.pk, url=run.webhook_url))


def store(delivery: Delivery) -> None:
    """Stores a new delivery, due at once; on commit the sender wakes."""
    delivery.due_at = DatabaseNow()
    delivery.save(force_insert=True)
    transaction.on_commit(bell.set)

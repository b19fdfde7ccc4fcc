"""Housekeeping by the calendar."""

from celery import shared_task

from billing import idempotency


@shared_task(ignore_result=True)
def housekeeping() -> None:
    """Forgets what is past its time."""
    idempotency.forget_old()

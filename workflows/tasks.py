"""What Celery calls. A message carries an id; whether there is work is for the database to say."""

from celery import shared_task

from workflows import execution, retention


@shared_task(ignore_result=True)
def advance(run_id: str) -> None:
    execution.advance(run_id)


@shared_task(ignore_result=True)
def forget() -> None:
    """Deletes what is past its time."""
    retention.forget_old()

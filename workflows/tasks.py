"""What Celery calls. A message carries an id; whether there is work is for the database to say."""

from celery import shared_task

from workflows import execution


@shared_task(ignore_result=True)
def advance(run_id: str) -> None:
    execution.advance(run_id)

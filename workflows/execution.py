"""Executing a claimed run in this process: whoever claims (a doorbell, the sweeper, a sync request) comes here."""

import logging
import random

from django.conf import settings
from django.db import DataError

from workflows import heartbeat, transitions
from workflows.leases import LeaseLost
from workflows.models import Run, Status
from workflows.runners import Completed, Control, Failed, Later, Result, runner_of

log = logging.getLogger(__name__)

FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 60.0


def advance(run_id: str) -> None:
    """Claims the run if it is due and works on it as far as it goes. Does nothing where somebody else has it."""
    run = transitions.claim_run(run_id)
    if run is not None:
        execute(run)


def execute(run: Run) -> None:
    """Works on a run that this process has claimed, and writes what comes of it. Raises nothing but exits."""
    control = Control(run)
    with heartbeat.holding(control):
        try:
            result = _attempt(control)
            try:
                _record(run, result, control)
            except DataError as error:
                # The database cannot hold what came out; to run it again would repeat what it did.
                log.warning("run %s: its outcome cannot be stored: %s", run.pk, error)
                _record(run, Failed("not_storable", "the outcome holds what the database cannot store"), control)
        except LeaseLost:
            log.warning("run %s: another worker holds it now; nothing written", run.pk)


def _attempt(control: Control) -> Result:
    run = control.run
    if run.cancel_requested_at is not None:
        control.cancel()
        return Failed(**transitions.cancelled_error())
    if run.attempt > run.max_attempts:
        message = f"given up after {run.max_attempts} attempts, none of which ended"
        return Failed("attempts_exhausted", message)
    try:
        return runner_of(run.kind).run(control)
    except LeaseLost:
        raise
    except Exception as error:
        log.exception("run %s: a fault of ours in attempt %s", run.pk, run.attempt)
        message = str(error) if settings.DEBUG else "a fault of ours; the worker's log names the run"
        return Failed("internal_error", message, permanent=False)


def _record(run: Run, result: Result, control: Control) -> None:
    match result:
        case Completed():
            transitions.complete_run(run, output=result.output, cost_nano=result.cost_nano, notes=result.notes)
        case Failed() if control.lost:
            raise LeaseLost(run.pk)
        case Failed(permanent=False) if run.attempt < run.max_attempts:
            transitions.suspend_run(run, seconds=backoff(run.attempt), detail=result.message, notes=result.notes)
        case Failed():
            cancelled = result.code == Status.CANCELLED.value
            transitions.fail_run(
                run, error=result.error, cancelled=cancelled, cost_nano=result.cost_nano, notes=result.notes
            )
        case Later():
            transitions.suspend_run(run, seconds=result.seconds, blocker=result.blocker, detail=result.detail)


def backoff(attempt: int) -> float:
    """Seconds before attempt + 1: doubling from FIRST to MAX, with full jitter in its upper half."""
    ceiling = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** (attempt - 1))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing

"""Executing a claimed run in this process: whoever claims (a doorbell, the sweeper, a sync request) comes here."""

import contextlib
import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError, DataError, InterfaceError, InternalError, OperationalError, connection

from workflows import heartbeat, leases, transitions
from workflows.leases import LeaseLost
from workflows.models import Blocker, Run, Status
from workflows.runners import Completed, Control, Failed, Later, Result, runner_of

log = logging.getLogger(__name__)

# What a database says, or its driver, that was restarted, cut off, locked, or tired of an idle transaction.
AWAY = (OperationalError, InterfaceError, InternalError)
FIRST_BACKOFF_SECONDS = 1.0
MAX_BACKOFF_SECONDS = 60.0
FIRST_RETRY_SECONDS = 0.05
# From so many tries on a run may be what kills its workers.
SUSPECT_TRIES = 3
ALONE = "another run whose workers have died is worked on here"
_suspects = threading.Lock()
# A doorbell looks at so many runs whose turn it is, in case others are faster.
CANDIDATES = 4


def advance(run_id: str) -> None:
    """Claims the run whose turn it is, be it the one that was rung for or another, and works on it as far as it goes.

    Does nothing where no run is due, and in a process that ends.
    """
    while not heartbeat.is_leaving() and not heartbeat.is_late():
        candidates = leases.due(CANDIDATES)
        for candidate in candidates:
            run = transitions.claim_run(candidate)
            if run is not None:
                return execute(run)
        if len(candidates) < CANDIDATES:
            return None
    return None


def execute(run: Run) -> None:
    """Works on a run that this process has claimed, and writes what comes of it. Raises nothing but exits."""
    control = Control(run)
    with heartbeat.holding(control), beside(run) as room:
        try:
            result = _attempt(control) if room else Later(random.uniform(0.5, 1.5), detail=ALONE)  # noqa: S311
            try:
                persist(control, lambda: _record(run, result, control))
            except DataError as error:
                # The database cannot hold what came out; to run it again would repeat what it did.
                log.warning("run %s: its outcome cannot be stored: %s", run.pk, error)
                _record(run, Failed("not_storable", "the outcome holds what the database cannot store"), control)
        except LeaseLost:
            log.warning("run %s: another worker holds it now; nothing written", run.pk)
        except DatabaseError as error:
            log.warning("run %s: the database does not answer (%s); whoever finds it next goes on", run.pk, error)
            _leave(control)


@contextlib.contextmanager
def beside(run: Run) -> Iterator[bool]:
    """Whether the run may be worked on beside the others: one whose workers died again and again only where no other
    such run is. So whichever of them kills the process is the only one to be blamed once more.
    """
    suspect = run.tries >= SUSPECT_TRIES
    if suspect and not _suspects.acquire(blocking=False):
        yield False
        return
    try:
        yield True
    finally:
        if suspect:
            _suspects.release()


def _leave(control: Control) -> None:
    """Gives back, where that is possible, a run that the database kept from getting on; it is not blamed for it."""
    run = control.run
    with contextlib.suppress(LeaseLost, DatabaseError):
        tries = max(0, run.tries - 1)
        persist(control, lambda: transitions.suspend_run(run, seconds=1, detail="the database was away", tries=tries))


def persist(control: Control, write: Callable[[], None]) -> None:
    """Writes what happened, again and again while the database is away and the lease surely holds.

    `write` is one transaction that does nothing the second time. Raises LeaseLost where it cannot be done in time.
    """
    pause = FIRST_RETRY_SECONDS
    while True:
        try:
            return write()
        except AWAY as error:
            if connection.in_atomic_block:
                raise
            connection.close()
            if not control.is_sure:
                raise LeaseLost(control.run.pk) from error
            log.warning("run %s: the database does not answer (%s); will try again", control.run.pk, error)
            time.sleep(pause)
            pause = min(1.0, pause * 2)


def _attempt(control: Control) -> Result:
    run = control.run
    if run.cancel_requested_at is not None or _is_orphan(run):
        control.cancel()
        return Failed(**transitions.cancelled_error())
    if run.tries > run.max_attempts:
        message = f"given up after {run.max_attempts} attempts, none of which got on"
        return Failed("attempts_exhausted", message)
    try:
        return runner_of(run.kind).run(control)
    except LeaseLost:
        raise
    except AWAY:
        connection.close()
        raise
    except Exception as error:
        if control.draining.is_set():
            # An interpreter that ends starts no threads any more: nobody's fault.
            log.warning("run %s: handed on, because of %r", run.pk, error)
            return Later(0, detail="handed on by a worker that ends")
        log.exception("run %s: a fault of ours in attempt %s", run.pk, run.attempt)
        message = str(error) if settings.DEBUG else "a fault of ours; the worker's log names the run"
        return Failed("internal_error", message, permanent=False)


def _is_orphan(run: Run) -> bool:
    """Whether the run was called by one that has ended."""
    return run.parent_id is not None and Run.objects.filter(pk=run.parent_id, finished_at__isnull=False).exists()


def _record(run: Run, result: Result, control: Control) -> None:
    match result:
        case Completed():
            told: dict[str, Any] = {"notes": result.notes, "stdout": result.stdout}
            transitions.complete_run(run, output=result.output, cost_nano=result.cost_nano, **told)
        case Failed() if control.lost:
            raise LeaseLost(run.pk)
        case Failed(permanent=False) if run.tries < run.max_attempts:
            transitions.suspend_run(
                run, seconds=backoff(run.tries), detail=result.message, tries=run.tries, notes=result.notes
            )
        case Failed():
            error = result.error
            if control.timed_out and result.code == Status.CANCELLED.value:
                error |= {"code": "time_limit", "message": f"the run took longer than {run.limits['wall_seconds']:g} s"}
            if control.partial is not None:
                error |= {"partial": control.partial}
            cancelled = error["code"] == Status.CANCELLED.value
            told = {"notes": result.notes, "stdout": result.stdout}
            transitions.fail_run(run, error=error, cancelled=cancelled, cost_nano=result.cost_nano, **told)
        case Later():
            transitions.suspend_run(
                run,
                seconds=result.seconds,
                blocker=result.blocker,
                detail=result.detail,
                # Where it found no place, or this worker ends, the try is neither counted nor forgiven.
                tries=max(0, run.tries - 1) if result.blocker in (Blocker.SLOT, Blocker.NONE) else 0,
                notes=result.notes,
            )


def backoff(attempt: int) -> float:
    """Seconds before attempt + 1: doubling from FIRST to MAX, with full jitter in its upper half."""
    ceiling = min(MAX_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2.0 ** max(0, attempt - 1))
    return random.uniform(ceiling / 2, ceiling)  # noqa: S311 - spreads load, guards nothing

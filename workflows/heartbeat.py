"""The beat of a process: one thread prolongs all its leases, carries cancellations and time limits to its runs and
says that it lives.
"""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from gofannon.lib.clock import DatabaseNow
from gofannon.lib.connections import give_back_connection
from workflows import leases
from workflows.models import Lease, Run, Worker
from workflows.runners import Control

log = logging.getLogger(__name__)
# Cancellations are looked for more often than leases are prolonged.
LOOK_SECONDS = leases.BEAT_SECONDS / 2
# A runner that watches its own wall clock is let to say so itself.
GRACE_SECONDS = 5.0
_held: dict[str, Control] = {}
_lock = threading.Lock()
_thread: threading.Thread | None = None
_for_good = False
_leaving = False
_sandbox: dict[str, Any] = {}
_started_at = timezone.now()
_beat_at = leases.clock()


@contextlib.contextmanager
def holding(control: Control) -> Iterator[None]:
    """While the block runs, the run's lease is kept alive."""
    run_id = control.run.pk
    with _lock:
        replaced = _held.get(run_id)
        _held[run_id] = control
    if _leaving:
        control.draining.set()
    if replaced is not None:  # this very process was late, and has claimed the run again
        replaced.cancel(lost=True)
    start()
    try:
        yield
    finally:
        with _lock:
            if _held.get(run_id) is control:
                del _held[run_id]
        control.lost = True  # a call of it that is still under way sends nothing from here on


def cancel_here(run_id: str) -> None:
    """Tells a run of this process at once what the beat would tell it within two seconds."""
    with _lock:
        control = _held.get(run_id)
    if control is not None:
        control.cancel()


def held() -> int:
    """How many runs this process works on."""
    return len(_held)


def start(*, for_good: bool = False) -> None:
    """Starts the thread where there is none. A worker's beats `for_good`; another ends when there is no run left."""
    global _thread, _for_good
    with _lock:
        _for_good = _for_good or for_good
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_loop, name="heartbeat", daemon=True)
            _thread.start()


def _loop() -> None:
    global _thread
    # A lease is fresh when its run begins; a worker is heard from at once.
    if not _for_good:
        time.sleep(LOOK_SECONDS)
    beats_at = 0.0
    while True:
        with _lock:
            if not _held and not _for_good:
                _thread = None
                return
        try:
            try:
                if leases.clock() >= beats_at:
                    # Reckoned from before the statement: a slow database makes the next beat no later.
                    beats_at = leases.clock() + leases.BEAT_SECONDS
                    beat()
                look()
            finally:
                give_back_connection()
        except Exception:
            beats_at = 0.0
            connection.close()
            log.exception("heartbeat: will try again")
        time.sleep(LOOK_SECONDS)


def beat() -> None:
    """One beat: renew, learn of lost leases, be heard."""
    global _beat_at
    now = leases.clock()
    mine = {run_id: control for run_id, control in _mine().items() if not control.lost}
    if mine:
        # Called runs first and one by one: whoever ends one locks its lease and then that of its caller.
        called = [run_id for run_id, control in mine.items() if control.run.parent_id]
        kept = {run_id for one in called for run_id in leases.renew([one])}
        kept |= leases.renew([run_id for run_id in mine if run_id not in called])
        for run_id, control in mine.items():
            if run_id in kept:
                control.renewed = now
            elif _held.get(run_id) is control:
                # Only if it still runs here: a run that has just ended has no lease either.
                control.cancel(lost=True)
    _be_heard()
    _beat_at = now


def look() -> None:
    """Carries to the runs held here that somebody wants their end, or that their time is over."""
    mine = _mine()
    if not mine:
        return
    wanted = Q(cancel_requested_at__isnull=False) | Q(parent__finished_at__isnull=False)
    cancelled = Run.objects.filter(wanted, pk__in=list(mine))
    for run_id in cancelled.values_list("pk", flat=True):
        mine[run_id].cancel()
    for control in mine.values():
        if control.seconds_over() > GRACE_SECONDS:
            control.time_out()


def _mine() -> dict[str, Control]:
    with _lock:
        return dict(_held)


def report_sandbox(verdicts: dict[str, Any]) -> None:
    """What this process's runtimes said of themselves; told with the next beat."""
    global _sandbox
    _sandbox = verdicts


def leave() -> None:
    """From the next beat on nobody counts on this process: its runs are handed on at their next call, and those that
    make none it keeps alive to the end.
    """
    global _leaving
    _leaving = True
    for control in _mine().values():
        control.draining.set()


def is_leaving() -> bool:
    return _leaving


def is_late() -> bool:
    """Whether this worker's beat hangs: what it claimed now, nobody would prolong."""
    return _for_good and leases.clock() - _beat_at > leases.LEASE_SECONDS


def wait_for_runs(seconds: float) -> None:
    """Waits so long for the runs of this process; those that go on are given up, for others to take over at once."""
    until = leases.clock() + seconds
    while _held and leases.clock() < until:
        time.sleep(0.05)
    left = _mine()
    if left:
        log.warning("heartbeat: %s runs are left to other workers", len(left))
        for control in left.values():
            control.cancel(lost=True)
        Run.objects.filter(pk__in=list(left), tries__gt=0).update(tries=F("tries") - 1)
        Lease.objects.filter(holder=leases.holder()).update(due_at=DatabaseNow())


def _be_heard() -> None:
    if _leaving:
        Worker.objects.filter(pk=leases.holder()).delete()
        return
    if Worker.objects.filter(pk=leases.holder()).update(heard_at=DatabaseNow(), sandbox=_sandbox):
        return
    values: dict[str, Any] = {"role": settings.ROLE, "host": socket.gethostname()[:255], "pid": os.getpid()}
    Worker.objects.create(
        id=leases.holder(), started_at=_started_at, heard_at=DatabaseNow(), sandbox=_sandbox, **values
    )

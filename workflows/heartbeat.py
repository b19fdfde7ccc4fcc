"""The beat of a process: one thread prolongs all its leases, carries cancellations to its runs and says it lives."""

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.utils import timezone

from gofannon.lib.clock import DatabaseNow
from gofannon.lib.connections import give_back_connection
from workflows import leases
from workflows.models import Run, Worker
from workflows.runners import Control

log = logging.getLogger(__name__)
_held: dict[str, Control] = {}
_lock = threading.Lock()
_thread: threading.Thread | None = None
_for_good = False
_leaving = False
_sandbox: dict[str, Any] = {}
_started_at = timezone.now()


@contextlib.contextmanager
def holding(control: Control) -> Iterator[None]:
    """While the block runs, the run's lease is kept alive."""
    run_id = control.run.pk
    with _lock:
        replaced = _held.get(run_id)
        _held[run_id] = control
    if replaced is not None:  # this very process was late, and has claimed the run again
        replaced.cancel(lost=True)
    start()
    try:
        yield
    finally:
        with _lock:
            if _held.get(run_id) is control:
                del _held[run_id]


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
        time.sleep(leases.BEAT_SECONDS)
    while True:
        with _lock:
            if not _held and not _for_good:
                _thread = None
                return
        try:
            try:
                beat()
            finally:
                give_back_connection()
        except Exception:
            log.exception("heartbeat: will try again")
        time.sleep(leases.BEAT_SECONDS)


def beat() -> None:
    """One beat: renew, learn of cancellations and lost leases, be heard."""
    with _lock:
        mine = dict(_held)
    if mine:
        kept = leases.renew(list(mine))
        for run_id in mine.keys() - kept:
            # Only if it still runs here: a run that has just ended has no lease either.
            if run_id in _held:
                mine[run_id].cancel(lost=True)
        cancelled = Run.objects.filter(pk__in=list(kept), cancel_requested_at__isnull=False)
        for run_id in cancelled.values_list("pk", flat=True):
            mine[run_id].cancel()
    _be_heard()


def report_sandbox(verdicts: dict[str, Any]) -> None:
    """What this process's runtimes said of themselves; told with the next beat."""
    global _sandbox
    _sandbox = verdicts


def leave() -> None:
    """From the next beat on nobody counts on this process; what it holds it keeps alive to the end."""
    global _leaving
    _leaving = True


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

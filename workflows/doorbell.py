"""Doorbells: a Celery message that a run waits, published from a background thread behind a circuit breaker.

A broker that is down costs a request nothing, and a bell that is never heard costs a run two seconds: the sweepers
find it in the database.
"""

import logging
import os
import queue
import threading
import time

from celery import current_app
from django.db import transaction

log = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
_bells: queue.Queue[str] = queue.Queue(maxsize=10_000)
_lock = threading.Lock()
_thread: threading.Thread | None = None
_pid = 0


def ring(run_id: str) -> None:
    """Rings once the transaction around it has committed."""
    transaction.on_commit(lambda: _put(run_id))


def _put(run_id: str) -> None:
    global _thread, _pid
    with _lock:
        if _thread is None or not _thread.is_alive() or _pid != os.getpid():
            _pid = os.getpid()
            _thread = threading.Thread(target=_loop, name="doorbell", daemon=True)
            _thread.start()
    try:
        _bells.put_nowait(run_id)
    except queue.Full:
        log.warning("doorbell: too many unrung; the sweepers will find run %s", run_id)


def _loop() -> None:
    closed_until = 0.0
    while True:
        run_id = _bells.get()
        if time.monotonic() < closed_until:
            continue
        try:
            current_app.send_task("workflows.tasks.advance", (run_id,), ignore_result=True, retry=False)
        except Exception as error:
            closed_until = time.monotonic() + PAUSE_SECONDS
            log.warning("doorbell: the broker does not answer (%s); the sweepers carry on", error)

"""News of events: which run has events up to which seq, told over Redis/Valkey to whoever shows runs as they go.

A background thread behind a circuit breaker publishes, so that a broker that is down costs a transaction nothing; news
that are never heard cost a reader the interval of its poll, for the events themselves are in the database.
"""

import logging
import os
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import transaction

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
# In which news gather: most events of a run come in twos and threes, and each publishing costs 0.15 ms.
GATHER_SECONDS = 0.02
MAX_PENDING = 10_000
_pending: dict[str, int] = {}
_lock = threading.Lock()
_news = threading.Event()
_thread: threading.Thread | None = None
_pid = 0


def channel(run_id: str) -> str:
    """The name of a run's channel. Its messages are `<run_id> <seq>`."""
    prefix = settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"]
    return f"{prefix}events:{run_id}"


def announce(run_id: str, seq: int) -> None:
    """Tells, once the transaction around it has committed, that the run has events up to `seq`.

    Of several news of one run that wait to be told, the highest seq is.
    """
    transaction.on_commit(partial(_put, run_id, seq))


def _put(run_id: str, seq: int) -> None:
    global _thread, _pid
    with _lock:
        known = _pending.get(run_id, 0)
        if not known and len(_pending) >= MAX_PENDING:
            return  # whoever shows the run polls it
        _pending[run_id] = max(known, seq)
        if _thread is None or _pid != os.getpid() or not _thread.is_alive():
            _pid = os.getpid()
            _thread = threading.Thread(target=_loop, name="bus", daemon=True)
            _thread.start()
    _news.set()


def _take() -> dict[str, int]:
    global _pending
    with _lock:
        taken, _pending = _pending, {}
    return taken


def _loop() -> None:
    client = _client()
    closed_until = 0.0
    while True:
        _news.wait()
        time.sleep(GATHER_SECONDS)
        _news.clear()
        taken = _take()
        if not taken or time.monotonic() < closed_until:
            continue
        try:
            with client.pipeline(transaction=False) as pipe:
                for run_id, seq in taken.items():
                    pipe.publish(channel(run_id), f"{run_id} {seq}")
                pipe.execute()
        except Exception as error:
            closed_until = time.monotonic() + PAUSE_SECONDS
            log.warning("bus: the broker does not answer (%s); streams poll the database", error)


def _client() -> "Redis":
    from redis import Redis  # 15 MB and 0.2 s, which most processes never need
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    # redis-py would try again by itself, with pauses in which news grow old.
    once = Retry(NoBackoff(), 0)
    return Redis.from_url(settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=5, retry=once)

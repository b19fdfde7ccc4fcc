"""The threads in which a web process waits for runs: nobody takes more than their share of them."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator

from django.conf import settings

_lock = threading.Lock()
_taken: Counter[str] = Counter()


@contextlib.contextmanager
def place_of(user_id: str) -> Iterator[bool]:
    """Whether the user may hold a thread of this process for a run; who may not is answered 202 at once."""
    with _lock:
        free = _taken[user_id] < settings.RUN_THREADS_PER_USER
        _taken[user_id] += free
    try:
        yield free
    finally:
        with _lock:
            _taken[user_id] -= free
            if not _taken[user_id]:
                del _taken[user_id]

"""The threads that read the database for the event loop: a few for everything, however many streams there are."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from django.db import close_old_connections, connections

from gofannon.lib.connections import give_back_connection

log = logging.getLogger(__name__)

T = TypeVar("T")
THREADS = 4
# After which a reader without work gives its database connection back.
IDLE_SECONDS = 1.0
Job = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...]]


class Readers:
    """THREADS threads, started by the first read."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    async def read(self, function: Callable[..., T], *arguments: Any) -> T:
        """The function's result or exception, from a reader's thread. One cancelled while it waits is not made."""
        if not self._threads:
            names = [f"reader-{number}" for number in range(THREADS)]
            self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for name in names]
            for thread in self._threads:
                thread.start()
        future: Future[T] = Future()
        self._jobs.put((future, function, arguments))
        return await asyncio.wrap_future(future)

    async def close(self) -> None:
        """Ends the threads and their connections; what is queued is still read."""
        threads, self._threads = self._threads, []
        for _ in threads:
            self._jobs.put(None)
        while any(thread.is_alive() for thread in threads):
            await asyncio.sleep(0.01)

    def _work(self) -> None:
        while (job := self._next()) is not None:
            future, function, arguments = job
            if future.set_running_or_notify_cancel():
                try:
                    close_old_connections()
                    result = function(*arguments)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
                    del result
                _tidily(close_old_connections)
            del job, future, function, arguments  # nothing of a request stays while the thread waits
        connections.close_all()

    def _next(self) -> Job | None:
        try:
            return self._jobs.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            _tidily(give_back_connection)
            return self._jobs.get()


def _tidily(close: Callable[[], None]) -> None:
    """A connection that cannot be closed ends no reader."""
    try:
        close()
    except Exception:
        log.exception("streams: a database connection was not closed")

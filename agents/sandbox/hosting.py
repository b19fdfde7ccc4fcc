"""Answers a run's host calls: in the run's own thread, or several at once in threads."""

import contextvars
import os
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from .specs import Host, HostCall, HostCallError

_THREADS = 16
_AT_ONCE = 64


class UnderWay:
    """In place of a reply: it will come through `replies`."""


class HostCalls:
    """The host calls of one run; used by the run's thread only."""

    def __init__(self, host: Host, tools: tuple[str, ...]) -> None:
        self._host = host
        self._names = {"log", "call_llm", "call_agent", *(f"tool:{name}" for name in tools)}
        self._threads: ThreadPoolExecutor | None = None
        self._done: queue.SimpleQueue[tuple[int, Future[Any]]] = queue.SimpleQueue()
        self._open = 0
        self.wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._closed = False
        # Guards the closing: a late reply must not write to a number that is another file's by then.
        self._closing = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether so many calls are under way that no more should be read."""
        return self._open >= _AT_ONCE

    def make(self, call: HostCall, *, waits: bool) -> dict[str, Any] | UnderWay:
        """Make a call; its reply if the code `waits` for it here, else UnderWay.

        Raises what the host raises beyond HostCallError.
        """
        if call.name not in self._names:
            return _refusal(call.id, HostCallError("unknown_tool", f"this agent has no {call.name[:100]}"))
        if waits:
            return self._make_here(call)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "sandbox-host-call")
        context = contextvars.copy_context()
        self._follow(call.id, self._threads.submit(context.run, self._host, call))
        return UnderWay()

    def _make_here(self, call: HostCall) -> dict[str, Any] | UnderWay:
        try:
            value = self._host(call)
        except HostCallError as error:
            return _refusal(call.id, error)
        if isinstance(value, Future):
            self._follow(call.id, value)
            return UnderWay()
        return {"id": call.id, "value": value}

    def _follow(self, number: int, future: "Future[Any]") -> None:
        self._open += 1
        future.add_done_callback(lambda done: self._arrived(number, done))

    def _arrived(self, number: int, future: "Future[Any]") -> None:
        self._done.put((number, future))
        with self._closing:
            if not self._closed:
                os.eventfd_write(self.wake, 1)

    def replies(self) -> list[dict[str, Any]]:
        """The replies that have come; raises what the host raises beyond HostCallError."""
        os.eventfd_read(self.wake)
        found = []
        while not self._done.empty():
            number, future = self._done.get()
            self._open -= 1
            try:
                value = future.result()
            except HostCallError as error:
                found.append(_refusal(number, error))
                continue
            if isinstance(value, Future):
                self._follow(number, value)
            else:
                found.append({"id": number, "value": value})
        return found

    def close(self) -> None:
        """Wait for nothing: calls not begun are dropped, the replies of others go nowhere."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        with self._closing:
            self._closed = True
            os.close(self.wake)


def _refusal(number: int, error: HostCallError) -> dict[str, Any]:
    return {"id": number, "error": {"code": error.code, "message": error.message}}

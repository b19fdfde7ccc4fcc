"""Answers a run's host calls: `log` in the run's own thread, all others in threads, several at once."""

import contextvars
import os
import queue
import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from .course import Course
from .inputs import Way
from .specs import LATER, Host, HostCall, HostCallError, Later, Place

_THREADS = 16
_AT_ONCE = 64
_TICK_SECONDS = 0.2

Reply = dict[str, Any]
"""A call's answer: {id, value} or {id, error: {code, message}}."""


class UnderWay:
    """In place of a reply: it will come through `replies`."""


class HostCalls:
    """The host calls of one run; used by the run's thread only."""

    def __init__(self, host: Host, tools: tuple[str, ...], course: Course) -> None:
        self._host, self._course = host, course
        self._names = {"log", "call_llm", "call_agent", *(f"tool:{name}" for name in tools)}
        self._threads: ThreadPoolExecutor | None = None
        self._done: queue.SimpleQueue[tuple[int, Future[Any]]] = queue.SimpleQueue()
        self._open = 0
        self.wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._closed = False
        self._abandoned = threading.Event()
        # Guards the closing: a late reply must not write to a number that is another file's by then.
        self._closing = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether so many calls are under way that no more should be read."""
        return self._open >= _AT_ONCE

    def knows(self, name: str) -> bool:
        """Whether the agent may make calls of this name."""
        return name in self._names

    def make(self, number: int, name: str, arguments: dict[str, Any], way: Way) -> Reply | Later | UnderWay:
        """Make a new call; the answer to `log` at once, UnderWay for others.

        Raises NonDeterminism, and what the host raises beyond HostCallError.
        """
        made_after = self._course.make(number, name, way)
        return self._ask(HostCall(number, name, arguments, made_after, *self._told(number)))

    def make_again(self, call: HostCall, way: Way) -> Reply | Later | UnderWay:
        """Make a call again that was made, and not answered, before the checkpoint from which the run goes on."""
        self._course.remake(call.id, way)
        return self._ask(HostCall(call.id, call.name, call.arguments, call.made_after, *self._told(call.id)))

    def _told(self, number: int) -> tuple[Callable[[], Place], Callable[[], bool]]:
        return partial(self._course.settle, number), self._abandoned.is_set

    def _ask(self, call: HostCall) -> Reply | Later | UnderWay:
        if call.name == "log":
            return self._ask_here(call)
        if self._threads is None:
            self._threads = ThreadPoolExecutor(_THREADS, "sandbox-host-call")
        context = contextvars.copy_context()
        self._follow(call.id, self._threads.submit(context.run, self._host, call))
        return UnderWay()

    def _ask_here(self, call: HostCall) -> Reply | Later | UnderWay:
        try:
            value = self._host(call)
        except HostCallError as error:
            return _refusal(call.id, error)
        if isinstance(value, Future):
            self._follow(call.id, value)
            return UnderWay()
        return value if isinstance(value, Later) else {"id": call.id, "value": value}

    def _follow(self, number: int, future: "Future[Any]") -> None:
        self._open += 1
        future.add_done_callback(lambda done: self._arrived(number, done))

    def _arrived(self, number: int, future: "Future[Any]") -> None:
        self._done.put((number, future))
        with self._closing:
            if not self._closed:
                os.eventfd_write(self.wake, 1)

    def replies(self) -> list[tuple[int, Reply | Later]]:
        """The answers that have come, by the calls' numbers; raises what the host raises beyond HostCallError."""
        os.eventfd_read(self.wake)
        found: list[tuple[int, Reply | Later]] = []
        while not self._done.empty():
            number, future = self._done.get()
            self._open -= 1
            try:
                value = future.result()
            except HostCallError as error:
                found.append((number, _refusal(number, error)))
                continue
            if isinstance(value, Future):
                self._follow(number, value)
            else:
                found.append((number, LATER if value is LATER else {"id": number, "value": value}))
        return found

    def finish(self, deadline: float, cancelled: Callable[[], bool]) -> None:
        """Wait for the calls under way, for their replies go nowhere: until a (monotonic) time, or cancelled.

        Raises what the host raises beyond HostCallError.
        """
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        while self._open:
            left = 0.0 if cancelled() else max(0.0, deadline - time.monotonic())
            if poll.poll(min(left, _TICK_SECONDS) * 1000):
                self.replies()
            elif not left:
                return

    def abandon(self) -> None:
        """Wait for nothing: calls not begun are dropped, others are told."""
        self._abandoned.set()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """Abandon what is under way; the replies go nowhere."""
        self.abandon()
        with self._closing:
            self._closed = True
            os.close(self.wake)


class HostAtWork:
    """A host, and how many calls it is at work on, in threads that may outlive the run that made them."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._changed = threading.Condition()
        self._under_way = 0
        self._ended = False
        self._afterwards: Callable[[], None] | None = None

    def __call__(self, call: HostCall) -> Any:
        """As the host. Raises HostCallError where the run has ended before the call began."""
        with self._changed:
            if self._ended:
                raise HostCallError("abandoned", "the run has ended")
            self._under_way += 1
        try:
            return self._host(call)
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._changed:
            self._under_way -= 1
            if self._under_way:
                return
            self._changed.notify_all()
            afterwards, self._afterwards = self._afterwards, None
        if afterwards is not None:
            afterwards()

    def end(self, seconds: float, afterwards: Callable[[], None]) -> None:
        """Begin no more calls and wait so long for those under way; `afterwards` is called when the last has ended."""
        with self._changed:
            self._ended = True
            if not self._changed.wait_for(lambda: not self._under_way, seconds):
                self._afterwards = afterwards
                return
        afterwards()


def _refusal(number: int, error: HostCallError) -> Reply:
    return {"id": number, "error": {"code": error.code, "message": error.message}}

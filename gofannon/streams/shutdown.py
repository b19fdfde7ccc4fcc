"""Streams end when the process is told to: uvicorn waits for open connections before it tells its application."""

import asyncio
import resource
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from django.conf import settings

from gofannon.streams.hub import hub_of_this_loop

SIGNALS = (signal.SIGINT, signal.SIGTERM)
# File descriptors beside those of the streams.
SPARE_FILES = 512
Handler = Callable[[int, FrameType | None], Any]
_before: dict[signal.Signals, Handler] = {}


def begin_streams() -> None:
    """At the server's start, on its event loop."""
    hub = hub_of_this_loop()
    loop = asyncio.get_running_loop()
    _allow_files(settings.STREAMS + SPARE_FILES)
    if threading.current_thread() is not threading.main_thread():
        return  # signals are somebody else's
    for number in SIGNALS:
        handler = signal.getsignal(number)
        if callable(handler):
            _before[number] = handler
            signal.signal(number, _ending(loop, hub.end_streams, handler))


async def end_streams() -> None:
    """At the server's end, on its event loop."""
    for number, handler in _before.items():
        signal.signal(number, handler)
    _before.clear()
    await hub_of_this_loop().close()


def _ending(loop: asyncio.AbstractEventLoop, end: Callable[[], None], handler: Handler) -> Handler:
    def handle(number: int, frame: FrameType | None) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(end)
        handler(number, frame)

    return handle


def _allow_files(count: int) -> None:
    """Each stream is an open file, and many a system starts a process with 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count if hard == resource.RLIM_INFINITY else min(count, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

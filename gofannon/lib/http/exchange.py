"""One request on its way: how long it may take, and whether it has left.

httpcore serves a request in the thread that asked, so the streams below it find the request they work for in a context
variable instead of in arguments, which httpcore does not pass on.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from gofannon.lib.http.errors import Cancelled, ConnectionLost, TimedOut

LONGEST_SECONDS = 86_400.0
# How long a request that can be cancelled waits before it asks whether it is.
SLICE_SECONDS = 0.25
TIME_IS_OVER = "the time for the request is over"


class Exchange:
    """From the call to the end of the answer, over all redirects."""

    def __init__(
        self,
        seconds: float,
        before_send: Callable[[], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._deadline = time.monotonic() + min(seconds, LONGEST_SECONDS)
        self._before_send = before_send
        self._cancelled = cancelled
        self._carrier: object = None
        self.sent = False
        self.hung_up = False
        self.status: int | None = None

    def remaining(self, late: str = TIME_IS_OVER) -> float:
        """Seconds that are left, more than 0. Raises TimedOut, which says `late`."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimedOut(late)
        return left

    def next_wait(self, late: str = TIME_IS_OVER) -> float:
        """Seconds to wait before asking this again, more than 0. Raises Cancelled, and TimedOut, which says `late`."""
        if self._cancelled is None:
            return self.remaining(late)
        if self._cancelled():
            raise Cancelled("the request was cancelled")
        return min(self.remaining(late), SLICE_SECONDS)

    def next_hop(self) -> None:
        """The request is answered by a redirect, and the next one may go out."""
        self._carrier = None
        self.status = None

    def about_to_write(self, carrier: object) -> None:
        """A stream is about to write bytes of the request. Raises what `before_send` raises, TimedOut and Cancelled.

        A second stream is refused: whatever httpcore thinks of it, nothing is sent twice.
        """
        if self._carrier is carrier:
            return
        if self._carrier is not None:
            raise ConnectionLost("the connection was lost, and the request is not sent a second time")
        if not self.sent and self._before_send is not None:
            self._before_send()
        self.next_wait()
        self.sent = True
        self._carrier = carrier


_current: ContextVar[Exchange] = ContextVar("outbound_exchange")


def current() -> Exchange:
    return _current.get()


@contextmanager
def taking_place(exchange: Exchange) -> Iterator[None]:
    """Within this block the streams of this thread work for `exchange`."""
    token = _current.set(exchange)
    try:
        yield
    finally:
        _current.reset(token)

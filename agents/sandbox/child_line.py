"""The caller's end of a cpython child's socket: whole frames, out as the socket takes them, in as they come."""

import select
import socket
from collections.abc import Callable, Iterator

from .inside import frames

_UNSENT_BYTES = 4 << 20
_PART = 1 << 18


class ChildLine:
    """A stream socket that never blocks."""

    def __init__(self, line: socket.socket) -> None:
        line.setblocking(False)
        self._line = line
        self._unsent = bytearray()
        self._received = bytearray()

    def wanted_events(self, *, full: bool) -> int:
        """What to poll for; nothing is read while too much is unsent, or where the caller is `full`."""
        busy = full or len(self._unsent) > _UNSENT_BYTES
        return (0 if busy else select.POLLIN) | (select.POLLOUT if self._unsent else 0)

    def send(self, kind: int, body: bytes) -> None:
        """Send a frame, now or as the child reads."""
        self._unsent += frames.frame(kind, body)
        self.write()

    def write(self) -> None:
        """Send what is unsent, as far as the socket takes it."""
        try:
            while self._unsent:
                del self._unsent[: self._line.send(self._unsent[:_PART])]
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()  # the child is gone; its end is on the way

    def read(self) -> bool:
        """Take in what has come; False if the child has closed its end. Raises BlockingIOError if nothing has come."""
        try:
            part = self._line.recv(_PART)
        except BlockingIOError:
            raise
        except OSError:
            return False
        self._received += part
        return bool(part)

    def take(self, checked: Callable[[int, int], bool]) -> Iterator[tuple[int, bytes]]:
        """The frames that have come whole, as kind and body.

        Each frame's kind and length pass `checked` before its body is waited for; false ends the reading.
        """
        while len(self._received) >= frames.HEADER.size:
            kind, length = frames.HEADER.unpack_from(self._received)
            if not checked(kind, length):
                return
            end = frames.HEADER.size + length
            if len(self._received) < end:
                return
            body = bytes(self._received[frames.HEADER.size : end])
            del self._received[:end]
            yield kind, body

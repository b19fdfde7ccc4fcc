"""The way out to one client, which is cut off where it does not read."""

import asyncio
import contextlib
from typing import Any

from gofannon.streams.protocol import Message, Send

# Of one write that waits for the client to read.
STALLED_SECONDS = 30.0
# Of the same once the stream is to end.
HURRIED_SECONDS = 0.2


class Stalled(Exception):
    """The client did not read in time, or it left; the connection is gone."""


class Outlet:
    """Writes with backpressure: the next piece waits until the client has taken most of what went before."""

    def __init__(self, send: Send) -> None:
        self._send = send
        owner = getattr(send, "__self__", None)
        # The server's own object for this request: ASGI knows no way to give up on a client.
        self._request: Any = owner._request if isinstance(owner, Outlet) else owner
        self._transport: asyncio.Transport | None = getattr(self._request, "transport", None)
        self._writing: asyncio.Timeout | None = None
        self._patience: float | None = None
        self.written_at = 0.0  # by the loop's clock

    async def start(self, headers: list[tuple[bytes, bytes]], status: int = 200) -> None:
        """Raises Stalled."""
        await self.put({"type": "http.response.start", "status": status, "headers": headers})

    async def write(self, body: bytes) -> None:
        """Raises Stalled."""
        await self.put({"type": "http.response.body", "body": body, "more_body": True})

    async def finish(self, body: bytes = b"") -> None:
        """Writes the last piece, if anybody is there to read it. Raises Stalled."""
        if not self._left():
            await self.put({"type": "http.response.body", "body": body})

    def hurry(self, patience: float = HURRIED_SECONDS) -> None:
        """From here on nobody waits for longer than `patience` seconds for a client that does not read."""
        self._patience = patience
        with contextlib.suppress(RuntimeError):  # its time is up at this very moment
            if self._writing is not None:
                self._writing.reschedule(asyncio.get_running_loop().time() + patience)

    async def put(self, message: Message) -> None:
        """The server's `send` with a deadline. Raises Stalled."""
        if self._left():
            raise Stalled
        try:
            async with asyncio.timeout(STALLED_SECONDS if self._patience is None else self._patience) as self._writing:
                await self._send(message)
        except TimeoutError as error:
            await self._cut_off()
            raise Stalled from error
        except RuntimeError as error:
            if self._left():  # while this write waited, and the server did not know
                raise Stalled from error
            raise
        finally:
            self._writing = None
        self.written_at = asyncio.get_running_loop().time()
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            self._see_it_taken()

    def _left(self) -> bool:
        """Whether the connection has ended. The server tells that only to the last request that came by it."""
        if self._transport is None or not self._transport.is_closing():
            return False
        self._disconnect()
        return True

    async def _cut_off(self) -> None:
        # Closing would wait for ever for the client to read what is buffered.
        if self._transport is not None:
            self._transport.abort()
            await asyncio.sleep(0)  # so that the server learns of it before the application returns
            self._disconnect()

    def _disconnect(self) -> None:
        if hasattr(self._request, "disconnected"):
            self._request.disconnected = True

    def _see_it_taken(self) -> None:
        """What the server still holds when the last piece is written has the same deadline, for each look at it."""
        left = self._transport.get_write_buffer_size() if self._transport is not None else 0
        if left and self._transport is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(STALLED_SECONDS, _abort_unless_less, loop, self._transport, left)


def _abort_unless_less(loop: asyncio.AbstractEventLoop, transport: asyncio.Transport, before: int) -> None:
    left = transport.get_write_buffer_size()
    if left == before:
        transport.abort()
    elif left:
        loop.call_later(STALLED_SECONDS, _abort_unless_less, loop, transport, left)

"""The way out to one client, which is cut off where it does not read."""

import asyncio
import contextlib

from gofannon.streams.protocol import Message, Send

# Of one write that waits for the client to read.
STALLED_SECONDS = 30.0
# Of the same once the stream is to end.
HURRIED_SECONDS = 0.2


class Stalled(Exception):
    """The client did not read in time; the connection is gone."""


class Outlet:
    """Writes with backpressure: the next piece waits until the client has taken most of what went before."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._writing: asyncio.Timeout | None = None
        self._hurried = False
        self.written_at = 0.0  # by the loop's clock

    async def start(self, headers: list[tuple[bytes, bytes]]) -> None:
        await self._put({"type": "http.response.start", "status": 200, "headers": headers})

    async def write(self, body: bytes) -> None:
        """Raises Stalled."""
        await self._put({"type": "http.response.body", "body": body, "more_body": True})

    async def finish(self, body: bytes = b"") -> None:
        """Writes the last piece. Raises Stalled."""
        await self._put({"type": "http.response.body", "body": body})

    def hurry(self) -> None:
        """From here on nobody waits for a client that does not read."""
        self._hurried = True
        with contextlib.suppress(RuntimeError):  # its time is up at this very moment
            if self._writing is not None:
                self._writing.reschedule(asyncio.get_running_loop().time() + HURRIED_SECONDS)

    async def _put(self, message: Message) -> None:
        try:
            async with asyncio.timeout(HURRIED_SECONDS if self._hurried else STALLED_SECONDS) as self._writing:
                await self._send(message)
        except TimeoutError as error:
            await self._cut_off()
            raise Stalled from error
        finally:
            self._writing = None
        self.written_at = asyncio.get_running_loop().time()

    async def _cut_off(self) -> None:
        # ASGI knows no way to give up on a client, and closing would wait for ever for it to read what is buffered.
        transport = getattr(getattr(self._send, "__self__", None), "transport", None)
        if transport is not None:
            transport.abort()
            await asyncio.sleep(0)  # so that the server learns of it before the application returns

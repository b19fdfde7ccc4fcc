"""The bodies of requests, received whole before a thread is taken: WSGI reads nothing of a body without a length."""

import asyncio

from gofannon.serving.clients import Holdings
from gofannon.streams.protocol import Receive, Scope

# Of all bodies that are being received at once.
MAX_BUFFERED_BYTES = 256 << 20
# Of these, one client has one part in so many.
SHARES = 8
# Bytes a second, of a body that has not arrived after so many seconds; it is never further behind than that.
LEAST_RATE = 16 << 10
GRACE_SECONDS = 5.0
# What is read and thrown away after a refusal, so that the client gets to read the answer.
MAX_DRAINED_BYTES = 64 << 20
DRAIN_SECONDS = 5.0


class Unreceived(Exception):
    """There is no body to work with, and this is the answer."""

    status = 500
    code = ""


class TooLarge(Unreceived):
    status, code = 413, "body_too_large"


class TooSlow(Unreceived):
    status, code = 408, "timeout"


class TooMany(Unreceived):
    status, code = 429, "too_many_bodies"


class NoRoom(Unreceived):
    status, code = 503, "busy"


class Disconnected(Exception):
    """Half a request is none."""


under_way = Holdings()


class Body:
    """One request's body. `limit`: bytes."""

    def __init__(self, receive: Receive, limit: int, client: str) -> None:
        self.receive = receive
        self.limit = limit
        self.client = client
        self.size = 0
        self.more = True

    async def read(self, scope: Scope) -> bytes:
        """Raises Unreceived and Disconnected. What is read counts against the client's share meanwhile."""
        try:
            return await self._read(_announced(scope))
        except TimeoutError as error:
            raise TooSlow(f"the body came more slowly than {LEAST_RATE} bytes a second") from error
        except TooLarge:
            await self._drain()
            raise
        finally:
            under_way.drop(self.client, self.size)

    async def _read(self, announced: int) -> bytes:
        if announced > self.limit:
            raise self._too_large()
        chunks: list[bytes] = []
        clock = asyncio.get_running_loop().time
        due = clock() + GRACE_SECONDS
        async with asyncio.timeout_at(due) as deadline:
            while self.more:
                chunk = await self._next()
                self._count(len(chunk))
                chunks.append(chunk)
                if self.more:
                    due = min(due + len(chunk) / LEAST_RATE, clock() + GRACE_SECONDS)
                    deadline.reschedule(due)
        return b"".join(chunks)

    def _count(self, size: int) -> None:
        self.size += size
        under_way.add(self.client, size)
        if self.size > self.limit:
            raise self._too_large()
        if under_way.total > MAX_BUFFERED_BYTES:
            raise NoRoom("too many bodies are being received, try again")
        if under_way.of[self.client] > max(MAX_BUFFERED_BYTES // SHARES, self.limit):
            raise TooMany("too many bodies are being received from your address, try again")

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is larger than {self.limit} bytes")

    async def _next(self) -> bytes:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        self.more = message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk

    async def _drain(self) -> None:
        drained = 0
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while self.more and drained < MAX_DRAINED_BYTES:
                    drained += len(await self._next())
        except (TimeoutError, Disconnected):
            return


def _announced(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0

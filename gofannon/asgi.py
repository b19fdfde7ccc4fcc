"""One port, two kinds of serving behind one dispatcher.

The API, the admin and the pages run on WSGI threads (a2wsgi over Django's handler); what must hold a connection
without holding a thread runs on the event loop, found by path in `MOUNTS` or by path and `Accept` among the streams.
"""

import asyncio
import json
import os
import re
import threading
from typing import Any

from a2wsgi import WSGIMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gofannon.settings")

from gofannon.wsgi import application as wsgi

from django.conf import settings  # isort: skip

from agents import sandbox  # isort: skip
from gofannon.lib import ids  # isort: skip
from gofannon.streams.accept import stream_for  # isort: skip
from gofannon.streams.protocol import App, Message as Message, Receive, Scope, Send  # isort: skip
from gofannon.streams.shutdown import begin_streams, end_streams  # isort: skip

_pages: App = WSGIMiddleware(wsgi, workers=settings.WEB_THREADS, send_queue_size=64)  # type: ignore[arg-type, assignment]
# Runs hold a thread until they end: they have threads of their own, so that whoever fills them stops no page.
_runs: App = WSGIMiddleware(wsgi, workers=settings.RUN_THREADS, send_queue_size=64)  # type: ignore[arg-type, assignment]
_RUN = re.compile(r"/api/agents/[^/]+/run|/rest/[^/]+")

BODY_SECONDS = 60.0
# Of all bodies that are being received at once.
MAX_BUFFERED_BYTES = 256 << 20
# What is read and thrown away after a refusal, so that the client gets to read the answer.
MAX_DRAINED_BYTES = 64 << 20
DRAIN_SECONDS = 5.0


async def health(scope: Scope, receive: Receive, send: Send) -> None:
    """The process lives and its event loop turns; asks nothing of threads, database or broker."""
    await _answer(send, 200, {"status": "ok"})


MOUNTS: dict[str, App] = {"/health": health}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return await _lifespan(receive, send)
    mounted = MOUNTS.get(scope["path"]) or stream_for(scope)
    if mounted is not None:
        return await mounted(scope, receive, send)
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = _Body(receive, limit)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            whole = await body.read(_announced(scope))
    except TimeoutError:
        return await _refuse(send, 408, "timeout", f"the body did not arrive within {BODY_SECONDS:g} s")
    except _TooLarge:
        await body.drain()
        return await _refuse(send, 413, "body_too_large", f"the body is larger than {limit} bytes")
    except _NoRoom:
        return await _refuse(send, 503, "busy", "too many bodies are being received, try again")
    except _Disconnected:
        return None  # half a request is none
    finally:
        body.forget()
    threads = _runs if _RUN.fullmatch(scope["path"]) else _pages
    return await threads(_with_length(scope, len(whole)), _replay(whole, receive), send)


class _TooLarge(Exception):
    pass


class _NoRoom(Exception):
    pass


class _Disconnected(Exception):
    pass


class _Body:
    """One request's body, received whole before a thread is taken. WSGI reads nothing of a body without a length."""

    buffered = 0  # of all requests together

    def __init__(self, receive: Receive, limit: int) -> None:
        self.receive = receive
        self.limit = limit
        self.size = 0
        self.more = True

    async def read(self, announced: int) -> bytes:
        if announced > self.limit:
            raise _TooLarge
        chunks: list[bytes] = []
        while self.more:
            chunk = await self._next()
            self.size += len(chunk)
            _Body.buffered += len(chunk)
            if self.size > self.limit:
                raise _TooLarge
            if _Body.buffered > MAX_BUFFERED_BYTES:
                raise _NoRoom
            chunks.append(chunk)
        return b"".join(chunks)

    async def _next(self) -> bytes:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise _Disconnected
        self.more = message.get("more_body", False)
        chunk: bytes = message.get("body", b"")
        return chunk

    async def drain(self) -> None:
        drained = 0
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                while self.more and drained < MAX_DRAINED_BYTES:
                    drained += len(await self._next())
        except (TimeoutError, _Disconnected):
            return

    def forget(self) -> None:
        """The body is the application's from here on, or nobody's."""
        _Body.buffered -= self.size


def _announced(scope: Scope) -> int:
    length = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    return int(length) if length.isdigit() else 0


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    error = {"code": code, "message": message, "request_id": ids.new_id("req")}
    await _answer(send, status, {"error": error}, close=True)


def _with_length(scope: Scope, length: int) -> Scope:
    kept = [(k, v) for k, v in scope["headers"] if k not in (b"content-length", b"transfer-encoding")]
    return {**scope, "headers": [*kept, (b"content-length", str(length).encode())]}


def _replay(body: bytes, receive: Receive) -> Receive:
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


async def _answer(send: Send, status: int, content: Any, close: bool = False) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if close:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _warm() -> None:
    for runtime in sandbox.RUNTIMES:
        sandbox.verify(runtime)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            # On the side, so that the first run does not wait for the sandbox's checks.
            threading.Thread(target=_warm, name="warm-up", daemon=True).start()
            begin_streams()
        else:
            await end_streams()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return

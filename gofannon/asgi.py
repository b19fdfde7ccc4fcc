"""One port, two kinds of serving behind one dispatcher.

The API, the admin and the pages run on WSGI threads (a2wsgi over Django's handler); what must hold a connection
without holding a thread runs on the event loop, found by path in `MOUNTS`.
"""

import json
import os
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from a2wsgi import WSGIMiddleware

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gofannon.settings")

from gofannon.wsgi import application as wsgi

from django.conf import settings  # isort: skip

from agents import sandbox  # isort: skip

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_threads: App = WSGIMiddleware(wsgi, workers=settings.WEB_THREADS, send_queue_size=64)  # type: ignore[arg-type, assignment]


async def health(scope: Scope, receive: Receive, send: Send) -> None:
    """The process lives and its event loop turns; asks nothing of threads, database or broker."""
    await _answer(send, 200, {"status": "ok"})


MOUNTS: dict[str, App] = {"/health": health}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return await _lifespan(receive, send)
    mounted = MOUNTS.get(scope["path"])
    if mounted is not None:
        return await mounted(scope, receive, send)
    body = await _whole_body(receive, settings.DATA_UPLOAD_MAX_MEMORY_SIZE)
    if body is None:
        message = f"the body is larger than {settings.DATA_UPLOAD_MAX_MEMORY_SIZE} bytes"
        return await _answer(send, 413, {"error": {"code": "body_too_large", "message": message}}, close=True)
    return await _threads(_with_length(scope, len(body)), _replay(body, receive), send)


async def _whole_body(receive: Receive, limit: int) -> bytes | None:
    """The request's body, or None past `limit` bytes. WSGI reads nothing of a body without a length, so it gets one."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks)
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


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
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return

"""One port, two kinds of serving behind one dispatcher.

The API, the admin and the pages are answered on WSGI threads (`gofannon.serving` around Django's handler); what must
hold a connection without holding a thread runs on the event loop, found by path in `MOUNTS` or by path and `Accept`
among the streams.
"""

import json
import logging
import os
import re
import threading
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gofannon.settings")

from gofannon.wsgi import application as wsgi

from django.conf import settings  # isort: skip

from agents import sandbox  # isort: skip
from gofannon.lib import ids  # isort: skip
from gofannon.serving.bodies import Body, Disconnected, Unreceived  # isort: skip
from gofannon.serving.clients import client_of  # isort: skip
from gofannon.serving.sending import send_answer  # isort: skip
from gofannon.serving.threads import Threads  # isort: skip
from gofannon.streams.accept import stream_for  # isort: skip
from gofannon.streams.outlet import Outlet, Stalled  # isort: skip
from gofannon.streams.protocol import App, Receive, Scope, Send  # isort: skip
from gofannon.streams.shutdown import begin_streams, end_streams  # isort: skip

log = logging.getLogger(__name__)

_pages = Threads(wsgi, settings.WEB_THREADS)
# Runs hold a thread until they end: they have threads of their own, so that whoever fills them stops no page.
_runs = Threads(wsgi, settings.RUN_THREADS)
_RUN = re.compile(r"/api/agents/[^/]+/run|/rest/[^/]+")


async def health(scope: Scope, receive: Receive, send: Send) -> None:
    """The process lives and its event loop turns; asks nothing of threads, database or broker."""
    await _answer(send, 200, {"status": "ok"})


MOUNTS: dict[str, App] = {"/health": health}


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "http":
        return await _lifespan(receive, send)
    outlet = Outlet(send)
    try:
        mounted = MOUNTS.get(scope["path"]) or stream_for(scope)
        if mounted is not None:
            await mounted(scope, receive, outlet.put)
        else:
            await _work(scope, receive, outlet)
    except Stalled:
        log.info("a client did not read its answer and was cut off")


async def _work(scope: Scope, receive: Receive, outlet: Outlet) -> None:
    """Receives, answers on a thread, sends. Raises Stalled."""
    client = client_of(scope)
    try:
        body = await Body(receive, settings.DATA_UPLOAD_MAX_MEMORY_SIZE, client).read(scope)
    except Unreceived as refused:
        error = {"code": refused.code, "message": str(refused), "request_id": ids.new_id("req")}
        return await _answer(outlet.put, refused.status, {"error": error}, close=True)
    except Disconnected:
        return None
    threads = _runs if _RUN.fullmatch(scope["path"]) else _pages
    return await send_answer(await threads.answer(scope, body), outlet, client)


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

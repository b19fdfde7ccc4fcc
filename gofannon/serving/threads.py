"""A WSGI application on threads of its own. It answers whole, so that its threads never wait for a client."""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from gofannon.serving.environ import Environ, build_environ
from gofannon.streams.protocol import Scope

WsgiApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
# They have no body, and RFC 9110 lets them say nothing of its length.
_BODILESS = (204, 304)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Threads:
    def __init__(self, application: WsgiApp, count: int) -> None:
        self._application = application
        self._executor = ThreadPoolExecutor(count, thread_name_prefix="WSGI")

    async def answer(self, scope: Scope, body: bytes) -> Answer:
        """Waits for a thread and for what the application says. Raises what the application raises."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, copy_context().run, answer_of, self._application, scope, body)


def answer_of(application: WsgiApp, scope: Scope, body: bytes) -> Answer:
    """The application's whole answer to one request."""
    started: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], None]:
        started[:] = [(status, headers)]  # nothing has been sent: an error's answer takes the place of the first
        return written.append

    chunks = application(build_environ(scope, body), start_response)
    try:
        content = b"".join([*written, *chunks])
    finally:
        getattr(chunks, "close", lambda: None)()
    status, pairs = started[0]
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
    code = int(status.split(" ", 1)[0])
    if scope["method"] != "HEAD" and code not in _BODILESS and all(name != b"content-length" for name, _ in headers):
        headers.append((b"content-length", str(len(content)).encode()))
    return Answer(code, headers, content)

"""The dispatcher: what goes to the event loop, what to threads, and how a body gets there."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from agents.models import Skill
from billing.actions import create_access_key
from billing.models import AccessKey, User
from gofannon import asgi
from gofannon.asgi import application
from gofannon.serving import bodies
from gofannon.streams.protocol import Message


def scope_of(method: str, path: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"localhost"), *headers],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }


def body(*chunks: bytes) -> list[Message]:
    """The messages of a body that comes in `chunks`."""
    last = len(chunks) - 1
    return [{"type": "http.request", "body": chunk, "more_body": i < last} for i, chunk in enumerate(chunks)]


def talk(scope: dict[str, Any], incoming: list[Message]) -> list[Message]:
    """What the application sends; the other side stays on the line after `incoming`."""
    sent: list[Message] = []
    waiting = list(incoming)

    async def receive() -> Message:
        return waiting.pop(0) if waiting else await asyncio.Future()

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(asyncio.wait_for(_run(scope, receive, send), timeout=60))
    return sent


async def _run(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await application(scope, receive, send)


def answer(sent: list[Message]) -> tuple[int, dict[bytes, bytes], Any]:
    content = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], {name.lower(): value for name, value in sent[0]["headers"]}, json.loads(content)


def test_health_is_answered_on_the_event_loop() -> None:
    status, headers, document = answer(talk(scope_of("GET", "/health"), body(b"")))
    assert (status, document) == (200, {"status": "ok"})
    assert headers[b"content-length"] == b"16"


@pytest.mark.django_db(transaction=True)
def test_a_chunked_body_reaches_django_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    # The serving thread outlives the test; its connection must not outlive the test's database.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    user = User.objects.create(username="caller")
    secret = AccessKey.fresh_secret()
    AccessKey.objects.create(user=user, name="k", digest=AccessKey.digest_of(secret), hint="", scopes=["write"])
    text = json.dumps({"name": "short", "description": "d", "instructions": "i" * 70_000}).encode()
    headers = [
        (b"authorization", f"Bearer {secret}".encode()),
        (b"content-type", b"application/json"),
        (b"transfer-encoding", b"chunked"),
    ]
    sent = talk(scope_of("POST", "/api/skills", headers), body(text[:10], b"", text[10:50_000], text[50_000:]))
    status, _, document = answer(sent)
    assert (status, document["name"]) == (201, "short")
    assert len(Skill.objects.get().instructions) == 70_000


def test_a_body_over_the_limit_is_refused_before_it_is_all_there() -> None:
    chunk = b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2 + 1)
    incoming = body(chunk, chunk, chunk, chunk)
    status, headers, document = answer(talk(scope_of("POST", "/api/skills"), incoming))
    assert (status, document["error"]["code"]) == (413, "body_too_large")
    assert headers[b"connection"] == b"close"


def test_the_lifespan_is_acknowledged() -> None:
    sent = talk({"type": "lifespan"}, [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


@pytest.mark.django_db(transaction=True)
def test_half_a_request_is_none(staff: User) -> None:
    _, secret = create_access_key(user=staff, name="k")
    headers = [(b"authorization", f"Bearer {secret}".encode()), (b"content-type", b"application/json")]
    broken: list[Message] = [
        {"type": "http.request", "body": b'{"name": "x"}', "more_body": True},
        {"type": "http.disconnect"},
    ]
    assert talk(scope_of("POST", "/api/skills", headers), broken) == []
    assert not Skill.objects.exists()


def test_an_announced_body_that_is_too_large_is_refused_before_it_is_kept() -> None:
    length = str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1).encode()
    sent = talk(scope_of("POST", "/api/skills", [(b"content-length", length)]), body(b"x" * 10))
    status, headers, document = answer(sent)
    assert (status, document["error"]["code"], headers[b"connection"]) == (413, "body_too_large", b"close")
    assert document["error"]["request_id"]


def test_too_many_bodies_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BUFFERED_BYTES", 5)
    status, _, document = answer(talk(scope_of("POST", "/api/skills"), body(b"123", b"456")))
    assert (status, document["error"]["code"]) == (503, "busy")
    assert (bodies.under_way.total, len(bodies.under_way.of)) == (0, 0)


@pytest.mark.parametrize(
    ("path", "waits"),
    [("/api/agents/x/run", True), ("/rest/x", True), ("/api/agents/x", False), ("/api/agents/x/y/run", False)],
)
def test_runs_have_threads_of_their_own(path: str, waits: bool) -> None:
    assert bool(asgi._RUN.fullmatch(path)) is waits

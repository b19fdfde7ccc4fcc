"""Bodies that do not come: each client has a share of what is received at once, and a least rate."""

import asyncio
import selectors
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from gofannon.serving import bodies
from gofannon.serving.bodies import Body, TooSlow
from gofannon.serving.clients import client_of
from gofannon.streams.protocol import Message
from tests.gofannon.streaming import Server, deaf, status_of, until
from tests.gofannon.test_asgi import scope_of

PIECE = b"x" * 65536


class Leap(selectors.DefaultSelector):
    """Waits no time, and keeps count of what it did not wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0.0
        return super().select(0)


class LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.leap = Leap()
        super().__init__(self.leap)

    def time(self) -> float:
        return self.leap.now


def seconds_to_receive(pauses: list[float], chunk: bytes = PIECE) -> float:
    """A body of one chunk after each of `pauses` and an end after the last. Raises what reading it raises."""
    waiting = list(pauses)

    async def receive() -> Message:
        await asyncio.sleep(waiting.pop(0))
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

    async def read() -> float:
        await Body(receive, 100 * len(PIECE), "c").read(scope_of("POST", "/"))
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(read())


def test_a_body_may_take_long_that_comes_steadily() -> None:
    assert seconds_to_receive([3.9] * 50) == pytest.approx(195)


@pytest.mark.parametrize("pauses", [[5.1], [0.0] * 40 + [5.1], [4.6] * 50], ids=["nothing", "stalled", "slow"])
def test_a_body_that_does_not_come_at_the_least_rate_is_given_up(pauses: list[float]) -> None:
    with pytest.raises(TooSlow):
        seconds_to_receive(pauses)
    assert not bodies.under_way.total


@pytest.fixture
def server(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    # The serving threads outlive the test; their connections must not outlive the test's database.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    with Server() as server:
        yield server


@pytest.mark.django_db(transaction=True)
def test_who_does_not_send_his_bodies_takes_nobody_elses_share(
    server: Server, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100
    monkeypatch.setattr(bodies, "MAX_BUFFERED_BYTES", 1000)
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 3600.0)
    with deaf(server.port, "/api/skills", head="Content-Length: 90\r\n") as client:
        client.sendall(b"x" * 80)
        until(lambda: bodies.under_way.of["127.0.0.1"] == 80, "the body's beginning")
        assert status_of(server.port, "/api/skills", body=b"x" * 50) == 429
        assert status_of(server.port, "/api/skills", "127.0.0.2", body=b"x" * 50) == 401
    until(lambda: not bodies.under_way.total, "the end of what is held")


@pytest.mark.django_db(transaction=True)
def test_a_body_that_does_not_come_is_answered_408(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.2)
    with deaf(server.port, "/api/skills", head="Content-Length: 90\r\n") as client:
        assert client.recv(12) == b"HTTP/1.1 408"


@pytest.mark.parametrize(
    ("peer", "forwarded", "behind_proxy", "client"),
    [
        ("10.0.0.1", [b"1.1.1.1"], False, "10.0.0.1"),
        ("10.0.0.1", [b"9.9.9.9, 1.1.1.1"], True, "1.1.1.1"),
        ("10.0.0.1", [b"9.9.9.9", b"1.1.1.1:4000"], True, "1.1.1.1"),
        ("10.0.0.1", [], True, "10.0.0.1"),
        ("10.0.0.1", [b"[2001:db8:0:1::5]:80"], True, "20010db800000001"),
        ("2001:db8:0:1::5", [], False, "20010db800000001"),
        ("2001:db8:0:1:ffff::6", [], False, "20010db800000001"),
        ("::ffff:1.1.1.1", [], False, "1.1.1.1"),
    ],
)
def test_a_share_belongs_to_an_address_or_a_subscribers_network(
    settings: Any, peer: str, forwarded: list[bytes], behind_proxy: bool, client: str
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if behind_proxy else None
    scope = scope_of("GET", "/", [(b"x-forwarded-for", value) for value in forwarded])
    assert client_of({**scope, "client": (peer, 1)}) == client


def test_without_an_address_there_is_one_share_for_all() -> None:
    assert client_of({**scope_of("GET", "/"), "client": None}) == ""

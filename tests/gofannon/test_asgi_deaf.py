"""Clients that do not read: they hold no thread, no place and no memory for longer than a deadline."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from billing.models import User
from gofannon.serving import sending
from gofannon.streams import outlet, run_events
from tests.gofannon.streaming import Server, bearer, deaf, held_run, status_of, until

pytestmark = pytest.mark.django_db(transaction=True)

LARGE = "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js"  # 1.6 MB
SMALL = "/static/rest_framework/fonts/glyphicons-halflings-regular.ttf"  # 45 kB: one piece
PAGE = "/api"


@pytest.fixture
def server(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    # The serving threads outlive the test; their connections must not outlive the test's database.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 0)
    with Server() as server:
        yield server


@pytest.fixture(autouse=True)
def no_faults(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelname == "ERROR"] == []


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outlet, "STALLED_SECONDS", 0.2)


def test_who_does_not_read_takes_no_thread(server: Server) -> None:
    with ExitStack() as clients:
        for _ in range(settings.WEB_THREADS + 4):
            clients.enter_context(deaf(server.port, *[LARGE] * 6))
        assert status_of(server.port, PAGE) == 200
    assert status_of(server.port, PAGE) == 200
    until(lambda: not server.uvicorn.server_state.tasks, "the end of what was done for who has left")


@pytest.mark.parametrize(
    ("requests", "head"),
    [
        ([LARGE], ""),
        ([LARGE] * 6, ""),
        ([LARGE, f"/api/runs/{'0' * 32}/events"], "Accept: text/event-stream\r\n"),
        ([SMALL], ""),
        ([SMALL], "Connection: close\r\n"),
        (["/health"] * 2000, ""),
    ],
    ids=["large", "pipelined", "stream_behind", "one_piece", "closing", "event_loop"],
)
def test_who_does_not_read_an_answer_is_cut_off(
    server: Server, impatient: None, requests: list[str], head: str
) -> None:
    with deaf(server.port, *requests, head=head):
        until(lambda: server.uvicorn.server_state.total_requests or server.uvicorn.server_state.tasks, "the request")
        until(lambda: not server.uvicorn.server_state.connections, "the connection's end")
        until(lambda: not server.uvicorn.server_state.tasks, "the end of what was done for it")


def clients_of(server: Server) -> set[Any]:
    """The addresses and ports that are connected."""
    return {getattr(each, "client", None) for each in list(server.uvicorn.server_state.connections)}


def test_beyond_the_bound_goes_the_oldest_answer_of_who_holds_most(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "MAX_WAITING_BYTES", 5_500_000)  # three of LARGE
    monkeypatch.setattr(outlet, "STALLED_SECONDS", 3600.0)
    held = sending.waiting.held.of
    with deaf(server.port, LARGE, address="127.0.0.3"):
        until(lambda: held["127.0.0.3"] > 0, "the first answer")
        with ExitStack() as clients:
            greedy = [clients.enter_context(deaf(server.port, LARGE, address="127.0.0.2"))]
            until(lambda: held["127.0.0.2"] > 0, "the greedy one's first answer")
            oldest = greedy[0].getsockname()
            greedy += [clients.enter_context(deaf(server.port, LARGE, address="127.0.0.2")) for _ in range(2)]
            until(lambda: oldest not in clients_of(server), "the end of the oldest of who holds most")
            assert status_of(server.port, LARGE, "127.0.0.4") == 200
            assert held["127.0.0.3"] > 0
    until(lambda: not sending.waiting.held.total, "the end of what is held")


def test_a_stream_with_a_request_behind_it_ends_when_its_client_has_left(
    server: Server, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_events, "HEARTBEAT_SECONDS", 0.05)
    run = held_run(owner)
    head = "".join(f"{name}: {text}\r\n" for name, text in bearer(owner).items()) + "Accept: text/event-stream\r\n"
    with deaf(server.port, f"/api/runs/{run.pk}/events", "/health", head=head) as client:
        assert client.recv(12) == b"HTTP/1.1 200"
        assert server.hub.open == 1
    until(lambda: not server.hub.open, "the stream's end")
    until(lambda: not server.uvicorn.server_state.tasks, "the request's end")

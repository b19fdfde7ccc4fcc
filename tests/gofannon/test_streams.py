"""A run's stream: in order, without gap, with or without a broker, from the start or from where it was left."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from billing.models import AccessKey, User
from gofannon.streams import hub, outlet, run_events
from gofannon.streams.accept import stream_for
from tests.gofannon.streaming import Listener, Server, appending, bearer, broker, happen, held_run, until
from tests.gofannon.test_asgi import scope_of
from workflows import transitions
from workflows.models import Run

pytestmark = pytest.mark.django_db(transaction=True)
NEVER = 3600.0


@pytest.fixture
def run(transactional_db: None, owner: User) -> Run:
    return held_run(owner)


@pytest.fixture
def key(transactional_db: None, owner: User) -> dict[str, str]:
    return bearer(owner)


@pytest.fixture
def server(transactional_db: None) -> Iterator[Server]:
    with Server() as server:
        yield server


@pytest.fixture
def quick_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "POLL_SECONDS", 0.05)


@pytest.fixture
def no_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "POLL_SECONDS", NEVER)


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream", True),
        ("text/event-stream, */*", True),
        ("*/*, text/event-stream", True),
        ("text/event-stream, application/json;q=0.9", True),
        ("application/json, text/event-stream", False),
        ("text/event-stream;q=0.5, application/json", False),
        ("text/event-stream;q=0", False),
        ("text/event-stream;q=nonsense, */*", False),
        ("text/*", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_a_stream_is_for_who_prefers_it(accept: str, wanted: bool) -> None:
    scope = scope_of("GET", "/api/runs/r/events", [(b"accept", accept.encode())])
    assert (stream_for(scope) is not None) is wanted


def test_only_a_get_of_events_is_a_stream() -> None:
    accept = [(b"accept", b"text/event-stream")]
    assert stream_for(scope_of("GET", "/api/runs/r/events", accept)) is not None
    assert stream_for(scope_of("HEAD", "/api/runs/r/events", accept)) is None
    assert stream_for(scope_of("GET", "/api/runs/r/effects", accept)) is None
    assert stream_for(scope_of("GET", "/api/runs/a/b/events", accept)) is None


def test_a_finished_run_is_replayed_and_ends(server: Server, run: Run, key: dict[str, str]) -> None:
    happen(run, 450, text="a\nb\r\u2028c")
    transitions.complete_run(run, output=None)
    with Listener(server.port, run, **key) as listener:
        told = list(listener.events())
    assert [event.id for event in told] == [*range(1, 454), None]
    assert [told[0].type, told[2].type, told[-2].type] == ["created", "log", "completed"]
    assert told[2].data == {**told[2].data, "seq": 3, "type": "log", "data": {"text": "a\nb\r\u2028c"}}
    assert set(told[2].data) == {"seq", "type", "data", "created_at"}
    assert (told[-1].type, told[-1].data) == ("end", {"status": "completed"})


def test_the_head_forbids_caches_and_buffers(server: Server, run: Run, key: dict[str, str]) -> None:
    with Listener(server.port, run, X_Request_Id="mine", **key) as listener:
        headers = listener.response.headers
        first = next(listener.lines())
    assert first == "retry: 2000"
    assert headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert (headers["Cache-Control"], headers["X-Accel-Buffering"]) == ("no-store", "no")
    assert (headers["X-Request-Id"], headers["Content-Encoding"]) == ("mine", None)
    assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("how", ["header", "query", "both"])
def test_a_stream_goes_on_where_it_was_left(server: Server, run: Run, key: dict[str, str], how: str) -> None:
    happen(run, 5)
    transitions.fail_run(run, error={"code": "x", "message": "x", "permanent": True})
    query = {"header": "", "query": "?after=4", "both": "?after=1"}[how]
    headers = {} if how == "query" else {"Last_Event_ID": "4"}
    with Listener(server.port, run, query, **headers, **key) as listener:
        assert [event.id for event in listener.events()] == [5, 6, 7, 8, None]
    with Listener(server.port, run, "?after=8", **key) as listener:
        [end] = listener.events()
    assert end.data == {"status": "failed"}


@pytest.mark.parametrize("nonsense", ["x", "-1", "1.5", "9" * 19, "%C2%B2"])
def test_a_place_that_is_none_is_refused(server: Server, run: Run, key: dict[str, str], nonsense: str) -> None:
    with Listener(server.port, run, f"?after={nonsense}", **key) as listener:
        error = listener.document()["error"]
    assert (listener.status, error["code"], error["path"]) == (400, "invalid", "after")
    assert error["request_id"] == listener.response.headers["X-Request-Id"]
    if nonsense.isascii() and "%" not in nonsense:
        with Listener(server.port, run, Last_Event_ID=nonsense, **key) as listener:
            assert (listener.status, listener.document()["error"]["path"]) == (400, "Last-Event-ID")


def test_events_come_in_order_as_the_run_appends_them(
    server: Server, run: Run, key: dict[str, str], quick_poll: None
) -> None:
    with Listener(server.port, run, **key) as early, Listener(server.port, run, **key) as beside:
        assert [event.id for event in early.take(2)] == [1, 2]
        with appending(run, 150), Listener(server.port, run, **key) as late:
            told = [list(listener.events()) for listener in (early, beside, late)]
    whole = [*range(1, run.seq + 1), None]
    assert [event.id for event in told[0]] == whole[2:]
    assert [event.id for event in told[1]] == [event.id for event in told[2]] == whole
    assert told[0][-1].data == {"status": "completed"}


def test_who_comes_back_misses_nothing_and_hears_nothing_twice(
    server: Server, run: Run, key: dict[str, str], quick_poll: None
) -> None:
    heard: list[int | None] = [0]
    with appending(run, 150):
        while heard[-1] is not None:
            with Listener(server.port, run, Last_Event_ID=str(heard[-1]), **key) as listener:
                heard += [event.id for event in listener.take(7)]
    assert heard == [*range(run.seq + 1), None]


def test_with_a_broker_nobody_has_to_ask(server: Server, run: Run, key: dict[str, str], no_poll: None) -> None:
    with broker(), Listener(server.port, run, **key) as listener:
        events = listener.events()
        assert [next(events).id, next(events).id] == [1, 2]
        for number in range(3, 20):
            happen(run)
            assert next(events).id == number
        transitions.complete_run(run, output=1)
        assert [event.type for event in events] == ["completed", "end"]


def test_a_broker_that_comes_back_is_heard_again(server: Server, run: Run, key: dict[str, str], no_poll: None) -> None:
    with Listener(server.port, run, **key) as listener:
        events = listener.events()
        with broker():
            assert [next(events).id, next(events).id] == [1, 2]
            happen(run)
            assert next(events).id == 3
        happen(run)  # nobody is there to tell it
        with broker():
            assert next(events).id == 4


def test_a_stream_that_has_nothing_to_tell_says_that_it_lives(
    server: Server, run: Run, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_events, "HEARTBEAT_SECONDS", 0.02)
    with Listener(server.port, run, "?after=2", **key) as listener:
        lines = listener.lines()
        assert [next(lines) for _ in range(6)] == ["retry: 2000", "", ": ", "", ": ", ""]


@pytest.mark.parametrize("change", ["the key is revoked", "the user is switched off", "the run is another's"])
def test_a_stream_ends_with_its_permission(
    server: Server, run: Run, key: dict[str, str], owner: User, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setattr(run_events, "REAUTHORIZE_SECONDS", 0.05)
    with Listener(server.port, run, **key) as listener:
        assert len(listener.take(2)) == 2
        if change == "the key is revoked":
            AccessKey.objects.update(revoked_at=run.created_at)
        elif change == "the user is switched off":
            User.objects.update(is_active=False)
        else:
            Run.objects.update(actor=None, owner=None)
        assert list(listener.events()) == []


def test_a_stream_outlives_the_question_whether_it_may(
    server: Server, run: Run, key: dict[str, str], quick_poll: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_events, "REAUTHORIZE_SECONDS", 0.01)
    with Listener(server.port, run, **key) as listener, appending(run, 50):
        assert [event.id for event in listener.events()][-2:] == [run.seq, None]


def test_a_deleted_run_ends_its_streams(server: Server, run: Run, key: dict[str, str], quick_poll: None) -> None:
    with Listener(server.port, run, **key) as listener:
        assert len(listener.take(2)) == 2
        Run.objects.filter(pk=run.pk).delete()
        assert list(listener.events()) == []


def test_who_leaves_leaves_nothing_behind_and_the_run_as_it_was(
    server: Server, run: Run, key: dict[str, str], quick_poll: None
) -> None:
    before = Run.objects.filter(pk=run.pk).values().get()
    listeners = [Listener(server.port, run, **key) for _ in range(3)]
    assert all(len(listener.take(2)) == 2 for listener in listeners)
    assert server.hub.open == 3
    for listener in listeners:
        listener.close()
    until(lambda: not server.hub.open, "the streams' end")
    left: list[Any] = [server.hub._users, server.hub._watches, server.hub._closers, server.hub._bus._wanted]
    assert [len(each) for each in left] == [0, 0, 0, 0]
    assert Run.objects.filter(pk=run.pk).values().get() == before


def test_who_does_not_read_is_cut_off(
    server: Server, run: Run, key: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outlet, "STALLED_SECONDS", 0.2)
    for _ in range(40):
        happen(run, 10, text="x" * 50_000)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", server.port))
        head = "\r\n".join(f"{name}: {text}" for name, text in key.items())
        deaf.sendall(f"GET /api/runs/{run.pk}/events HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
        deaf.sendall(b"Accept: text/event-stream\r\n\r\n")
        assert deaf.recv(12) == b"HTTP/1.1 200"
        until(lambda: not server.hub.open, "the stream's end")
        # Nothing is kept for it: a closed connection would wait for ever for the rest to be read.
        until(lambda: not server.uvicorn.server_state.connections, "the connection's end")

"""Outbound HTTP: a request that is cancelled ends soon, wherever it is."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from pytest_django import Settings

from gofannon.lib import http
from gofannon.lib.http import lookups
from gofannon.lib.http.addresses import Address
from gofannon.lib.http.allowed import AllowList
from gofannon.lib.http.client import Client
from tests.gofannon.test_http_tls import Here, certificate
from tests.http_server import HttpServer, Reply, http_server

LONG = 30.0
ALLOW = AllowList.parse(["127.0.0.1"])


@pytest.fixture
def server(settings: Settings) -> Iterator[HttpServer]:
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    with http_server() as server:
        yield server


@contextmanager
def listening(settings: Settings, backlog: int = 5) -> Iterator[socket.socket]:
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0), backlog=backlog) as listener:
        yield listener


def port_of(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def soon(condition: Callable[[], bool] = lambda: True) -> Callable[[], bool]:
    """True at the fourth question since the condition holds: by then the request has waited."""
    questions = count()
    return lambda: condition() and next(questions) >= 3


def never() -> bool:
    return False


def cancelled(method: str, url: str, ask: Callable[[], bool], **options: bytes) -> http.HttpError:
    with pytest.raises(http.Cancelled) as failure:
        http.request(method, url, timeout=LONG, cancelled=ask, **options)  # type: ignore[arg-type]
    assert failure.value.code == "cancelled"
    return failure.value


def test_a_request_that_is_cancelled_before_it_begins_reaches_nobody(server: HttpServer) -> None:
    assert cancelled("GET", server.url, lambda: True).sent is False
    assert server.connections == 0


def test_nothing_is_sent_over_a_connection_that_lay_idle(server: HttpServer) -> None:
    http.request("GET", server.url)
    assert cancelled("POST", server.url, lambda: True, content=b"x").sent is False
    assert (server.connections, len(server.arrivals)) == (1, 1)


def test_what_is_cancelled_before_anything_was_sent_was_not_sent(server: HttpServer) -> None:
    """A moment before: when there is a connection, and `before_send` has been called."""
    ready: list[bool] = []
    with pytest.raises(http.Cancelled) as failure:
        http.request("GET", server.url, before_send=lambda: ready.append(True), cancelled=lambda: bool(ready))
    assert (failure.value.sent, server.arrivals) == (False, [])


def test_a_connection_that_is_never_made_is_given_up(settings: Settings) -> None:
    """The kernel drops connections to a listener whose queue is full."""
    waiting = []
    with listening(settings, backlog=0) as listener:
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        failure = cancelled("GET", f"http://127.0.0.1:{port_of(listener)}/", soon())
        for sock in waiting:
            sock.close()
    assert failure.sent is False


def test_a_server_that_never_shakes_hands_is_hung_up_on(settings: Settings) -> None:
    with listening(settings) as listener:
        failure = cancelled("GET", f"https://127.0.0.1:{port_of(listener)}/", soon())
        taken, _ = listener.accept()
        with taken:
            taken.settimeout(LONG)
            while taken.recv(1 << 16):
                pass
    assert failure.sent is False


def test_a_reader_that_does_not_read_is_given_up(settings: Settings) -> None:
    with listening(settings) as listener:
        url = f"http://127.0.0.1:{port_of(listener)}/"
        assert cancelled("POST", url, soon(), content=bytes(64 << 20)).sent is True


@pytest.mark.parametrize(
    "reply",
    [Reply(delay=3600), Reply(body=b"x" * 1200, pause=0.05), Reply(body=b"x" * 1200, pause=0.05, chunked=True)],
)
def test_an_answer_that_does_not_come_or_comes_in_drops_is_given_up(server: HttpServer, reply: Reply) -> None:
    server.on("/", reply)
    failure = cancelled("GET", f"{server.url}/", soon(lambda: bool(server.arrivals)))
    assert (failure.sent, len(server.arrivals)) == (True, 1)
    server.stopping.set()  # or else the server would notice only when it has to answer
    server.wait_until_closed()


def test_a_request_that_is_not_cancelled_waits_as_long_as_it_may(server: HttpServer) -> None:
    server.on("/", Reply(body=b"late", delay=0.8))
    assert http.request("GET", f"{server.url}/", cancelled=never).content == b"late"
    server.on("/", Reply(delay=3600))
    with pytest.raises(http.TimedOut, match="no complete answer in time"):
        http.request("GET", f"{server.url}/", cancelled=never, timeout=0.6)


def test_questions_are_not_asked_in_a_busy_loop(server: HttpServer) -> None:
    """Four times a second, and a few times on the way."""
    questions: list[int] = []

    def ask() -> bool:
        questions.append(1)
        return False

    server.on("/", Reply(delay=1))
    http.request("GET", f"{server.url}/", cancelled=ask)
    assert len(questions) < 20


def slow_tls_server(listener: socket.socket, pem: Path, bodies: list[int]) -> None:
    """Shakes hands late, reads late and answers late: each later than a request waits at a time."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    taken, _ = listener.accept()
    time.sleep(0.6)
    with context.wrap_socket(taken, server_side=True) as line, line.makefile("rwb") as stream:
        time.sleep(0.6)
        while (header := stream.readline().lower()) != b"\r\n":
            if header.startswith(b"content-length:"):
                length = int(header.partition(b":")[2])
        body = stream.read(length)
        bodies.append(sum(body))
        time.sleep(0.6)
        stream.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")


def test_waiting_in_slices_does_no_harm_to_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = certificate(tmp_path / "shop.pem", "shop.test")
    monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    content = bytes(range(256)) * (64 << 10)
    bodies: list[int] = []
    client = Client(allow=ALLOW, resolver=Here(), seconds=LONG)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=slow_tls_server, args=[listener, pem, bodies])
        thread.start()
        url = f"https://shop.test:{port_of(listener)}/"
        assert client.request("POST", url, content=content, cancelled=never).content == b"done"
        thread.join()
    client.close()
    assert bodies == [sum(content)]


class Silent:
    """A resolver that answers when it is let go."""

    def __init__(self) -> None:
        self.asked = self.answered = 0
        self.going = threading.Event()

    def resolve(self, host: str) -> Sequence[Address]:
        self.asked += 1
        self.going.wait(LONG)
        self.answered += 1
        return []


def test_a_name_that_is_not_found_is_given_up() -> None:
    silent = Silent()
    with pytest.raises(http.Cancelled) as failure:
        Client(resolver=silent).request("GET", "http://slow.test/", timeout=LONG, cancelled=soon())
    silent.going.set()
    assert (failure.value.sent, silent.asked) == (False, 1)


def test_no_more_lookups_are_left_behind_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others stay with their requests, and so are bounded with them."""
    monkeypatch.setattr(lookups, "MOST_LEFT", 1)
    silent = Silent()
    client = Client(resolver=silent)

    def ask() -> None:
        with pytest.raises((http.Cancelled, http.NoSuchHost)):
            client.request("GET", "http://slow.test/", timeout=LONG, cancelled=lambda: silent.asked >= 5)

    with ThreadPoolExecutor(5) as threads:
        requests = [threads.submit(ask) for _ in range(5)]
        deadline = time.monotonic() + LONG
        while not any(request.done() for request in requests) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.6)  # all have asked by then
        ended = sum(request.done() for request in requests)
        silent.going.set()
        for request in requests:
            request.result()
    assert ended == 1
    silent.going.clear()
    with pytest.raises(http.Cancelled):
        client.request("GET", "http://slow.test/", timeout=LONG, cancelled=soon())
    assert (silent.asked, silent.answered) == (6, 5), "there is room again"
    silent.going.set()

"""Outbound HTTP: no answer is larger, and none takes longer, than the caller allows."""

import gzip
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest
from pytest_django import Settings

from gofannon.lib import http
from gofannon.lib.http.addresses import Address
from gofannon.lib.http.bodies import Gunzip, read_body
from gofannon.lib.http.client import Client
from tests.http_server import HttpServer, Reply, http_server

GZIPPED = {"Content-Encoding": "gzip"}


@pytest.fixture
def server(settings: Settings) -> Iterator[HttpServer]:
    with http_server() as server:
        settings.OUTBOUND_ALLOW = [server.netloc]
        yield server


def failure_of(server: HttpServer, reply: Reply, **options: float) -> http.HttpError:
    server.on("/", reply)
    with pytest.raises(http.HttpError) as failure:
        http.request("GET", f"{server.url}/", **options)  # type: ignore[arg-type]
    return failure.value


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_may_be_as_long_as_the_limit_and_no_longer(server: HttpServer, chunked: bool) -> None:
    server.on("/", Reply(body=b"x" * 1000, chunked=chunked))
    assert len(http.request("GET", f"{server.url}/", max_bytes=1000).content) == 1000
    failure = failure_of(server, Reply(207, body=b"x" * 1001, chunked=chunked), max_bytes=1000)
    assert (failure.code, failure.sent, failure.status) == ("too_large", True, 207)


def test_a_compressed_body_comes_out_as_it_was(server: HttpServer) -> None:
    server.on("/", Reply(200, GZIPPED, gzip.compress(b"abc" * 1000) + gzip.compress(b"def") + b"\0\0"))
    answer = http.request("GET", f"{server.url}/", max_bytes=3003)
    assert answer.content == b"abc" * 1000 + b"def"
    assert "content-encoding" not in answer.headers
    assert server.arrivals[0].headers["accept-encoding"] == "gzip"


def test_a_bomb_is_stopped(server: HttpServer) -> None:
    failure = failure_of(server, Reply(200, GZIPPED, gzip.compress(bytes(64 << 20))), max_bytes=1 << 20)
    assert (failure.code, failure.sent) == ("too_large", True)


def test_a_bomb_is_expanded_no_further_than_the_limit() -> None:
    bomb = gzip.compress(bytes(8 << 20))
    assert len(Gunzip().expand(bomb, 1000)) == 1000
    assert len(Gunzip().expand(gzip.compress(b"x" * 600) + bomb, 1000)) == 1000


def test_compressed_blocks_of_nothing_end_too() -> None:
    def endless() -> Iterator[bytes]:
        yield gzip.compress(b"")[:10]
        for _ in range(100_000):
            yield b"\x00\x00\x00\xff\xff"

    with pytest.raises(http.TooLarge):
        read_body(endless(), "gzip", 1000)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (GZIPPED, gzip.compress(b"x" * 1000, mtime=0)[:-9]),
        (GZIPPED, b"no gzip at all"),
        ({"Content-Encoding": "br"}, b"abc"),
        ({"Content-Encoding": "gzip, gzip"}, gzip.compress(gzip.compress(b"abc", mtime=0), mtime=0)),
    ],
)
def test_what_cannot_be_decompressed_is_no_answer(server: HttpServer, headers: dict[str, str], body: bytes) -> None:
    failure = failure_of(server, Reply(200, headers, body))
    assert (failure.code, failure.sent, failure.status) == ("invalid_answer", True, 200)


@pytest.mark.parametrize("raw", [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000])
def test_what_is_no_http_is_no_answer(server: HttpServer, raw: bytes) -> None:
    failure = failure_of(server, Reply(raw=raw))
    assert (failure.code, failure.sent) == ("invalid_answer", True)


def test_the_time_is_that_of_the_whole_request(server: HttpServer) -> None:
    """Every byte comes soon after the one before, and all of them would take 30 s."""
    failure = failure_of(server, Reply(body=b"x" * 600, pause=0.05), timeout=2)
    assert (failure.code, failure.sent, failure.status) == ("timeout", True, 200)


def test_the_time_goes_on_over_redirects(server: HttpServer) -> None:
    server.on("/", Reply(302, {"Location": "/"}, delay=0.05))
    with pytest.raises(http.TimedOut):
        http.request("GET", f"{server.url}/", timeout=0.5, redirects=400)


def test_an_answer_that_never_comes_is_not_waited_for(server: HttpServer) -> None:
    failure = failure_of(server, Reply(delay=3600), timeout=2)
    assert (failure.code, failure.sent, len(server.arrivals)) == ("timeout", True, 1)


@pytest.mark.parametrize("timeout", [0, -1])
def test_without_time_nothing_is_sent(server: HttpServer, timeout: float) -> None:
    failure = failure_of(server, Reply(), timeout=timeout)
    assert (failure.code, failure.sent, server.connections) == ("timeout", False, 0)


def test_a_reader_that_does_not_read_is_not_waited_for(settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.OUTBOUND_ALLOW = ["127.0.0.1"]
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(http.TimedOut) as failure:
            http.request("POST", url, content=bytes(64 << 20), timeout=2)
    assert failure.value.sent is True


def test_a_connection_that_is_never_made_is_not_waited_for(settings: Settings) -> None:
    """The kernel drops connections to a listener whose queue is full."""
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    waiting = []
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(listener.getsockname())
            waiting.append(sock)
        with pytest.raises(http.TimedOut) as failure:
            http.request("GET", f"http://127.0.0.1:{listener.getsockname()[1]}/", timeout=0.5)
        for sock in waiting:
            sock.close()
    assert failure.value.sent is False


class Silent:
    """A resolver that answers when it is too late."""

    def __init__(self) -> None:
        self.asked_enough = threading.Event()

    def resolve(self, host: str) -> Sequence[Address]:
        self.asked_enough.wait(30)
        return []


def test_a_name_that_is_never_found_is_not_waited_for() -> None:
    resolver = Silent()
    with pytest.raises(http.TimedOut) as failure:
        Client(resolver=resolver).request("GET", "http://slow.test/", timeout=0.3)
    resolver.asked_enough.set()
    assert failure.value.sent is False

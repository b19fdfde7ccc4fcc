"""Outbound HTTP: whether the other side may have heard of a request that failed, and that it never hears it twice."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest
from pytest_django import Settings

from gofannon.lib import http
from gofannon.lib.http.exchange import Exchange, taking_place
from gofannon.lib.http.network import Stream
from tests.http_server import HttpServer, Reply, http_server


@pytest.fixture
def server(settings: Settings) -> Iterator[HttpServer]:
    with http_server() as server:
        settings.OUTBOUND_ALLOW = ["127.0.0.1"]
        yield server


def failure_of(url: str, content: bytes = b"x", before_send: Callable[[], None] | None = None) -> http.HttpError:
    with pytest.raises(http.HttpError) as failure:
        http.request("POST", url, content=content, timeout=10, before_send=before_send)
    return failure.value


def test_a_closed_port_has_heard_nothing(settings: Settings) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        failure = failure_of(f"http://127.0.0.1:{unheard.getsockname()[1]}/")
    assert (failure.code, failure.sent) == ("connect_failed", False)


@pytest.mark.parametrize("close", ["before_reading", "after_reading"])
@pytest.mark.parametrize("size", [1, 16 << 20])
def test_a_server_that_hangs_up_may_have_heard_it(server: HttpServer, close: str, size: int) -> None:
    server.on("/", Reply(close=close))  # type: ignore[arg-type]
    failure = failure_of(f"{server.url}/", content=bytes(size))
    assert (failure.code, failure.sent, server.connections) == ("connection_lost", True, 1)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_server_that_hangs_up_in_its_answer_has_heard_it(server: HttpServer, chunked: bool) -> None:
    server.on("/", Reply(body=b"x" * 100, close="mid_answer", chunked=chunked))
    failure = failure_of(f"{server.url}/")
    assert (failure.code, failure.sent, failure.status) == ("connection_lost", True, 200)
    assert (len(server.arrivals), server.connections) == (1, 1)


def test_an_answer_that_comes_before_the_request_is_complete_is_an_answer(settings: Settings) -> None:
    def refuse(listener: socket.socket) -> None:
        sock, _ = listener.accept()
        with sock:
            sock.recv(1000)
            sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=[listener])
        thread.start()
        answer = http.request("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", content=bytes(64 << 20))
        http.close()
        thread.join()
    assert answer.status == 413


def test_a_connection_that_was_closed_while_idle_is_replaced(server: HttpServer) -> None:
    server.on("/", Reply(close="after_answer"))
    for _ in range(2):
        assert http.request("POST", f"{server.url}/", content=b"x").status == 200
        server.wait_until_closed()
    assert (len(server.arrivals), server.connections) == (2, 2)


def test_a_request_on_a_used_connection_is_not_sent_again(server: HttpServer) -> None:
    server.on("/", Reply(), Reply(close="after_reading"))
    http.request("POST", f"{server.url}/", content=b"first")
    failure = failure_of(f"{server.url}/", content=b"second")
    assert (failure.code, failure.sent) == ("connection_lost", True)
    assert ([arrival.body for arrival in server.arrivals], server.connections) == ([b"first", b"second"], 1)


def test_no_second_connection_takes_what_a_first_one_took() -> None:
    exchange = Exchange(10)
    (left, left_end), (right, right_end) = socket.socketpair(), socket.socketpair()
    with left, left_end, right, right_end, taking_place(exchange):
        first, second = Stream(left), Stream(right)
        first.write(b"head")
        first.write(b"body")
        with pytest.raises(http.ConnectionLost):
            second.write(b"head")
        exchange.next_hop()
        second.write(b"head of the next")
        assert (left_end.recv(100), right_end.recv(100)) == (b"headbody", b"head of the next")


def test_before_send_is_called_when_connected_and_before_the_first_byte(settings: Settings) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    accepted: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def look() -> None:
            listener.settimeout(10)
            sock, _ = listener.accept()
            accepted.append(sock)
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
            sock.setblocking(True)
            sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

        answer = http.request("POST", f"http://127.0.0.1:{listener.getsockname()[1]}/", content=b"x", before_send=look)
        assert (answer.status, len(accepted)) == (204, 1)
        assert accepted[0].recv(4) == b"POST"
        accepted[0].close()
        http.close()


class Fenced(Exception):
    """What the caller's own check raises."""


def refuse() -> None:
    raise Fenced


def test_what_before_send_raises_comes_out_and_nothing_is_sent(server: HttpServer) -> None:
    with pytest.raises(Fenced):
        http.request("POST", server.url, content=b"x", before_send=refuse)
    http.request("GET", f"{server.url}/later")
    assert [arrival.path for arrival in server.arrivals] == ["/later"]


def test_before_send_holds_for_a_used_connection_too(server: HttpServer) -> None:
    calls: list[int] = []
    for _ in range(2):
        http.request("POST", server.url, content=b"x", before_send=lambda: calls.append(len(server.arrivals)))
    assert (calls, server.connections) == ([0, 1], 1)
    with pytest.raises(Fenced):
        http.request("POST", server.url, content=b"x", before_send=refuse)
    assert len(server.arrivals) == 2


def test_before_send_is_not_called_where_nothing_can_be_sent(server: HttpServer) -> None:
    for url in ("http://10.0.0.1/", "http://nosuch.invalid/", "http://127.0.0.1:1/"):
        assert failure_of(url, before_send=refuse).sent is False


def test_before_send_is_called_once_for_all_redirects(server: HttpServer) -> None:
    server.on("/a", Reply(302, {"Location": "/b"}))
    calls: list[int] = []
    http.request("GET", f"{server.url}/a", redirects=1, before_send=lambda: calls.append(1))
    assert calls == [1]


def test_a_request_within_before_send_is_one_of_its_own(server: HttpServer) -> None:
    def nested() -> None:
        assert http.request("GET", f"{server.url}/inner").status == 200

    assert http.request("POST", f"{server.url}/outer", before_send=nested).status == 200
    assert [arrival.path for arrival in server.arrivals] == ["/inner", "/outer"]

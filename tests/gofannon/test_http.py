"""Outbound HTTP: what goes out, what comes back, redirects, connections that are used again."""

import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pytest_django import Settings

from gofannon.lib import http
from tests.http_server import HttpServer, Reply, http_server


@pytest.fixture
def server(settings: Settings) -> Iterator[HttpServer]:
    with http_server() as server:
        settings.OUTBOUND_ALLOW = [server.netloc]
        yield server


def test_a_request_arrives_as_it_was_meant_and_its_answer_comes_back(server: HttpServer) -> None:
    server.on("/orders", Reply(201, {"Location": "/orders/1", "X-Two": "a"}, b'{"id": 1}'))
    answer = http.request("POST", f"{server.url}/orders?a=b#part", headers={"X-Key": " s3cret "}, content=b"{}")
    assert (answer.status, answer.content, answer.headers["location"]) == (201, b'{"id": 1}', "/orders/1")
    assert answer.url == f"{server.url}/orders?a=b"
    [arrival] = server.arrivals
    assert (arrival.method, arrival.path, arrival.body) == ("POST", "/orders?a=b", b"{}")
    assert arrival.headers["host"] == server.netloc
    assert arrival.headers["x-key"] == "s3cret"
    assert arrival.headers["content-length"] == "2"


@pytest.mark.parametrize(
    ("content_type", "content", "text"),
    [
        ("text/plain", "é".encode(), "é"),
        ("text/plain; charset=ISO-8859-1", b"\xe9", "é"),
        ('text/plain; charset="utf-8"', b"\xff", "\ufffd"),
        ("text/plain; charset=punycode", b"abc", "abc"),
        ("text/plain; charset=nonsense", b"abc", "abc"),
        ("text/plain; charset=zlib", b"abc", "abc"),
    ],
)
def test_text_is_read_by_its_charset(content_type: str, content: bytes, text: str) -> None:
    assert http.Response(200, {"content-type": content_type}, content, "").text == text


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "other.example"},
        {"content-length": "0"},
        {"Transfer-Encoding": "chunked"},
        {"Connection": "close"},
        {"X-A": "1\r\nX-B: 2"},
        {"X-A": "1\n"},
        {"X-A": "s3cret\x00"},
        {"X-A": "s3cret ☃"},
        {"X A": "s3cret"},
        {"": "s3cret"},
        {"X-A": 5},
    ],
)
def test_headers_that_change_the_request_are_refused(server: HttpServer, headers: dict[str, str]) -> None:
    with pytest.raises(http.InvalidRequest) as refusal:
        http.request("GET", server.url, headers=headers)
    assert (refusal.value.code, refusal.value.sent) == ("invalid_request", False)
    assert "s3cret" not in str(refusal.value)
    assert server.connections == 0


def test_a_tunnel_cannot_be_asked_for(server: HttpServer) -> None:
    with pytest.raises(http.InvalidRequest):
        http.request("CONNECT", server.url)


def test_redirects_are_answers_unless_they_are_asked_for(server: HttpServer) -> None:
    server.on("/a", Reply(302, {"Location": "/b"}))
    server.on("/b", Reply(301, {"Location": "c?x=1"}))
    assert http.request("GET", f"{server.url}/a").status == 302
    answer = http.request("GET", f"{server.url}/a", redirects=2)
    assert (answer.status, answer.url) == (200, f"{server.url}/c?x=1")
    with pytest.raises(http.TooManyRedirects) as failure:
        http.request("GET", f"{server.url}/a", redirects=1)
    assert (failure.value.code, failure.value.sent) == ("too_many_redirects", True)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_changes_something_follows_no_redirect(server: HttpServer, method: str) -> None:
    server.on("/a", Reply(307, {"Location": "/b"}))
    assert http.request(method, f"{server.url}/a", redirects=5).status == 307
    assert server.arrivals_at("/b") == []


@pytest.mark.parametrize("location", ["file:///etc/passwd", "http://user:password@example.com/", "http://[::1"])
def test_a_redirect_to_nonsense_is_refused(server: HttpServer, location: str) -> None:
    server.on("/a", Reply(302, {"Location": location}))
    with pytest.raises(http.HttpError) as failure:
        http.request("GET", f"{server.url}/a", redirects=5)
    assert (failure.value.code in {"invalid_url", "invalid_answer"}, failure.value.sent) == (True, True)


def test_keys_stay_with_the_origin_they_were_given_for(server: HttpServer, settings: Settings) -> None:
    headers = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret", "Accept": "text/html"}
    with http_server() as other:
        settings.OUTBOUND_ALLOW = [server.netloc, other.netloc]
        server.on("/near", Reply(302, {"Location": "/here"}))
        server.on("/far", Reply(302, {"Location": f"{other.url}/there"}))
        http.request("GET", f"{server.url}/near", headers=headers, redirects=1)
        http.request("GET", f"{server.url}/far", headers=headers, redirects=1)
        [here], [there] = server.arrivals_at("/here"), other.arrivals_at("/there")
    assert (here.headers["authorization"], here.headers["x-api-key"]) == ("Bearer s3cret", "s3cret")
    assert "s3cret" not in str(there.headers)
    assert there.headers["accept"] == "text/html"


def test_connections_are_used_again(server: HttpServer) -> None:
    for _ in range(5):
        http.request("POST", server.url, content=b"x")
    assert (len(server.arrivals), server.connections) == (5, 1)


def test_threads_get_the_answers_to_their_own_requests(server: HttpServer) -> None:
    server.on("/", lambda arrival: Reply(body=arrival.body))

    def ask(number: int) -> bytes:
        return http.request("POST", f"{server.url}/", content=b"%d" % number).content

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(ask, range(200))) == [b"%d" % number for number in range(200)]
    assert sorted(int(arrival.body) for arrival in server.arrivals) == list(range(200))


def test_a_head_has_no_body_whatever_it_says(server: HttpServer) -> None:
    server.on("/", Reply(200, {"Content-Encoding": "gzip"}, b"x" * 100))
    answer = http.request("HEAD", f"{server.url}/", max_bytes=10)
    assert (answer.status, answer.content, answer.headers["content-length"]) == (200, b"", "100")


def test_a_change_of_the_settings_counts_at_once(server: HttpServer, settings: Settings) -> None:
    assert http.request("GET", server.url).status == 200
    settings.OUTBOUND_ALLOW = []
    with pytest.raises(http.AddressRefused):
        http.request("GET", server.url)


def test_the_setting_is_the_time_of_a_request_that_names_none(server: HttpServer, settings: Settings) -> None:
    settings.OUTBOUND_TIMEOUT_SECONDS = 0.2
    server.on("/", Reply(delay=20))
    with pytest.raises(http.TimedOut):
        http.request("GET", f"{server.url}/")


def test_a_forked_process_has_connections_of_its_own(server: HttpServer) -> None:
    http.request("GET", server.url)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if http.request("GET", server.url).status == 200 else 2
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    http.request("GET", server.url)
    assert (len(server.arrivals), server.connections) == (3, 2)


def test_nothing_of_an_exchange_is_logged(server: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.on("/", Reply(200, {"Set-Cookie": "s3cret-a"}, b"s3cret-b"))
    http.request("POST", f"{server.url}/", headers={"Authorization": "s3cret-c"}, content=b"s3cret-d")
    assert "s3cret" not in caplog.text

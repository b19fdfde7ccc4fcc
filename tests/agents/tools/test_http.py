"""http.get, http.send, http.send_once"""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from agents import schemas
from agents.tools import ToolCall, ToolError, tool_of
from tests.http_server import HttpServer, Reply, http_server

SENDING = ["http.send", "http.send_once"]
EVERY = ["http.get", *SENDING]


@pytest.fixture
def server(settings: Settings) -> Iterator[HttpServer]:
    with http_server() as server:
        settings.OUTBOUND_ALLOW = ["127.0.0.1"]
        yield server


def call(tool: str, url: Any, *, key: str = "key-1", seconds: float = 10, **arguments: Any) -> Any:
    if tool != "http.get":
        arguments = {"method": "POST", **arguments}
    return tool_of(tool).call(ToolCall({"url": url, **arguments}, key, seconds, lambda: None))


def failure(tool: str, url: Any, **arguments: Any) -> ToolError:
    with pytest.raises(ToolError) as error:
        call(tool, url, **arguments)
    return error.value


def test_json_comes_back_as_json(server: HttpServer) -> None:
    headers = {"Content-Type": "application/problem+json; charset=utf-8", "ETag": '"1"', "Set-Cookie": "s3cret"}
    server.on("/a", Reply(302, {"Location": "/b"}))
    server.on("/b", Reply(404, headers, b'{"a": [1, "\xc3\xa9"]}'))
    assert call("http.get", f"{server.url}/a", headers={"X-A": "b"}) == {
        "status": 404,
        "url": f"{server.url}/b",
        "headers": {"content-type": headers["Content-Type"], "etag": '"1"'},
        "json": {"a": [1, "é"]},
    }
    assert server.arrivals[0].headers["x-a"] == "b"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "{"),
        (b"NaN", "NaN"),
        (b"1e999", "1e999"),
        (b'"\\ud800"', '"\\ud800"'),
        (b'"\\u0000"', '"\\u0000"'),
        (b'"\x00"', '"\ufffd"'),
        (b"\xff", "\ufffd"),
        (b"[" * 5000 + b"]" * 5000, "[" * 5000 + "]" * 5000),
        (b"9" * 5000, "9" * 5000),
        (b"", ""),
    ],
)
def test_what_only_claims_to_be_json_comes_back_as_text(server: HttpServer, body: bytes, text: str) -> None:
    server.on("/", Reply(200, {"Content-Type": "application/json"}, body))
    answer = call("http.get", f"{server.url}/")
    assert (answer.get("text"), "json" in answer) == (text, False)


@pytest.mark.parametrize("tool", SENDING)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_json_is_sent_as_json(server: HttpServer, tool: str, method: str) -> None:
    server.on("/", Reply(503, {"Retry-After": "7"}, b"busy"))
    arguments: dict[str, Any] = {"method": method, "url": f"{server.url}/", "json": {"a": "é"}}
    schemas.check(arguments, tool_of(tool).input_schema, "arguments")
    answer = call(tool, **arguments)
    assert (answer["status"], answer["text"], answer["headers"]["retry-after"]) == (503, "busy", "7")
    [arrival] = server.arrivals
    assert (arrival.method, arrival.headers["content-type"]) == (method, "application/json")
    assert json.loads(arrival.body) == {"a": "é"}


@pytest.mark.parametrize("tool", SENDING)
def test_text_is_sent_as_text_of_the_type_that_is_given(server: HttpServer, tool: str) -> None:
    call(tool, server.url, text="é")
    call(tool, server.url, text="<a/>", headers={"content-type": "text/xml"})
    call(tool, server.url)
    assert [(arrival.headers.get("content-type"), arrival.body.decode()) for arrival in server.arrivals] == [
        ("text/plain; charset=utf-8", "é"),
        ("text/xml", "<a/>"),
        (None, ""),
    ]


def test_only_a_keyed_request_carries_its_key(server: HttpServer) -> None:
    for tool in EVERY:
        call(tool, server.url, key="run-1/3")
    assert [arrival.headers.get("idempotency-key") for arrival in server.arrivals] == [None, "run-1/3", None]


def test_the_key_is_the_platforms(server: HttpServer) -> None:
    error = failure("http.send", server.url, headers={"idempotency-KEY": "mine"})
    assert (error.code, server.connections) == ("invalid_arguments", 0)


@pytest.mark.parametrize("tool", SENDING)
def test_what_changes_something_follows_no_redirect(server: HttpServer, tool: str) -> None:
    server.on("/a", Reply(307, {"Location": "/b"}))
    answer = call(tool, f"{server.url}/a")
    assert (answer["status"], answer["headers"]["location"]) == (307, "/b")
    assert len(server.arrivals) == 1


@pytest.mark.parametrize("tool", EVERY)
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"url": "http://10.0.0.1/"}, "address_refused"),
        ({"url": "http://169.254.169.254/"}, "address_refused"),
        ({"url": "file:///etc/passwd"}, "invalid_url"),
        ({"url": "http://a:b@example.com/"}, "invalid_url"),
        ({"url": None}, "invalid_arguments"),
        ({"url": ["http://example.com/"]}, "invalid_arguments"),
        ({"headers": {"Host": "other"}}, "invalid_request"),
        ({"headers": {"Content-Length": "1"}}, "invalid_request"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "invalid_request"),
        ({"headers": {"Connection": "close"}}, "invalid_request"),
        ({"headers": {"X-A": "1\r\nX-B: 2"}}, "invalid_request"),
        ({"headers": {"X-A\r\nX-B": "1"}}, "invalid_request"),
        ({"headers": {"X-A": 5}}, "invalid_request"),
        ({"headers": {5: "5"}}, "invalid_request"),
        ({"headers": ["X-A"]}, "invalid_arguments"),
    ],
)
def test_what_may_not_be_asked_is_refused(server: HttpServer, tool: str, arguments: dict[str, Any], code: str) -> None:
    error = failure(tool, **{"url": server.url, **arguments})
    assert (error.code, error.unknown, error.retryable, server.connections) == (code, False, False, 0)


@pytest.mark.parametrize("tool", SENDING)
@pytest.mark.parametrize(
    "arguments",
    [
        {"json": 1, "text": "1"},
        {"json": float("nan")},
        {"json": {1, 2}},
        {"text": "\ud800"},
        {"text": None},
        {"text": b"1"},
        {"method": "GET"},
        {"method": "CONNECT"},
        {"method": None},
        {"method": ["POST"]},
    ],
)
def test_a_body_or_method_that_is_none_is_refused(server: HttpServer, tool: str, arguments: dict[str, Any]) -> None:
    assert failure(tool, server.url, **arguments).code == "invalid_arguments"
    assert server.connections == 0


def verdict(error: ToolError) -> tuple[str, bool, bool]:
    return error.code, error.unknown, error.retryable


def test_a_lost_answer_is_unknown_and_repeated_only_where_that_does_no_harm(server: HttpServer) -> None:
    server.on("/", Reply(close="after_reading"))
    found = [verdict(failure(tool, f"{server.url}/")) for tool in EVERY]
    assert found == [
        ("connection_lost", False, True),
        ("connection_lost", True, True),
        ("connection_lost", True, False),
    ]
    assert len(server.arrivals) == 3


@pytest.mark.parametrize("tool", EVERY)
def test_what_never_left_may_be_tried_again(settings: Settings, tool: str) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        error = failure(tool, f"http://127.0.0.1:{unheard.getsockname()[1]}/")
    assert verdict(error) == ("connect_failed", False, True)


@pytest.mark.parametrize("seconds", [2, 3600])
def test_a_call_takes_no_longer_than_its_time_and_the_settings(
    server: HttpServer, settings: Settings, seconds: float
) -> None:
    settings.OUTBOUND_TIMEOUT_SECONDS = 3600 if seconds == 2 else 2
    server.on("/", Reply(delay=3600))
    assert verdict(failure("http.send_once", f"{server.url}/", seconds=seconds)) == ("timeout", True, False)


def test_an_answer_that_is_too_large_is_an_answer_all_the_same(server: HttpServer) -> None:
    server.on("/", Reply(201, body=bytes((1 << 20) + 1)))
    error = failure("http.send_once", f"{server.url}/")
    assert verdict(error) == ("too_large", False, False)
    assert "status 201" in error.message
    server.on("/", Reply(201, body=b"x" * (1 << 20)))
    assert len(call("http.send_once", f"{server.url}/")["text"]) == 1 << 20


class Fenced(Exception):
    """What the caller's own check raises."""


@pytest.mark.parametrize("tool", EVERY)
def test_what_the_callers_check_raises_comes_out_and_nothing_leaves(server: HttpServer, tool: str) -> None:
    def refuse() -> None:
        raise Fenced

    with pytest.raises(Fenced):
        tool_of(tool).call(ToolCall({"url": server.url, "method": "POST"}, "key", 10, refuse))
    assert server.arrivals == []


@pytest.mark.parametrize(("tool", "unknown"), [("http.get", False), ("http.send", True), ("http.send_once", True)])
def test_a_call_that_nobody_waits_for_gives_up_and_is_not_repeated(
    server: HttpServer, tool: str, unknown: bool
) -> None:
    server.on("/", Reply(delay=3600))
    arguments = {"url": f"{server.url}/", "method": "POST"}
    with pytest.raises(ToolError) as error:
        tool_of(tool).call(ToolCall(arguments, "key", 30, lambda: None, lambda: bool(server.arrivals)))
    assert verdict(error.value) == ("cancelled", unknown, False)
    with pytest.raises(ToolError) as error:
        tool_of(tool).call(ToolCall(arguments, "key", 30, lambda: None, lambda: True))
    assert verdict(error.value) == ("cancelled", False, False)
    assert len(server.arrivals) == 1

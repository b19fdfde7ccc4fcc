"""A request and an answer between ASGI and WSGI."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from gofannon.serving.environ import Environ, build_environ
from gofannon.serving.threads import answer_of
from tests.gofannon.test_asgi import scope_of

Start = Callable[..., Callable[[bytes], None]]


def test_a_request_is_told_in_the_words_of_wsgi() -> None:
    headers = [
        (b"content-type", b"text/plain"),
        (b"content-length", b"999"),
        (b"transfer-encoding", b"chunked"),
        (b"x-forwarded-proto", b"http"),
        (b"x_forwarded_proto", b"https"),
        (b"cookie", b"a=1"),
        (b"cookie", b"b=2"),
        (b"accept", b"text/html"),
        (b"accept", b"*/*"),
    ]
    scope = {**scope_of("POST", "/root/stra\N{LATIN SMALL LETTER SHARP S}e", headers), "query_string": b"q=\xff"}
    environ = build_environ({**scope, "root_path": "/root"}, b"body")
    assert environ["PATH_INFO"].encode("latin-1").decode() == "/stra\N{LATIN SMALL LETTER SHARP S}e"
    assert {name: environ[name] for name in environ if name.startswith("HTTP_")} == {
        "HTTP_HOST": "localhost",
        "HTTP_X_FORWARDED_PROTO": "http",
        "HTTP_COOKIE": "a=1; b=2",
        "HTTP_ACCEPT": "text/html,*/*",
    }
    assert (environ["SCRIPT_NAME"], environ["QUERY_STRING"]) == ("/root", "q=\xff")
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/plain", "4")
    assert (environ["REMOTE_ADDR"], environ["SERVER_PORT"]) == ("127.0.0.1", "80")
    assert environ["wsgi.input"].read() == b"body"


class Chunks:
    closed = False

    def __iter__(self) -> Iterator[bytes]:
        yield b"b"
        yield b"c"

    def close(self) -> None:
        self.closed = True


def test_an_answer_is_collected_whole() -> None:
    chunks = Chunks()

    def application(environ: Environ, start: Start) -> Any:
        start("200 OK", [("X-Name", "old")])
        start("418 I'm a teapot", [("X-Name", "new")], (None, None, None))(b"a")
        return chunks

    answer = answer_of(application, scope_of("GET", "/"), b"")
    assert (answer.status, answer.body) == (418, b"abc")
    assert answer.headers == [(b"x-name", b"new"), (b"content-length", b"3")]
    assert chunks.closed


@pytest.mark.parametrize(("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Same")])
def test_no_length_is_told_where_there_is_no_body(method: str, status: str) -> None:
    def application(environ: Environ, start: Start) -> list[bytes]:
        start(status, [])
        return []

    assert answer_of(application, scope_of(method, "/"), b"").headers == []

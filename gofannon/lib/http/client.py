"""The client: a pool of guarded connections, redirects, limits."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count

import httpcore
import httpx

from gofannon.lib.http.allowed import AllowList
from gofannon.lib.http.bodies import read_body
from gofannon.lib.http.errors import (
    AddressRefused,
    ConnectionLost,
    HttpError,
    InvalidAnswer,
    InvalidRequest,
    TimedOut,
    TooLarge,
    TooManyRedirects,
)
from gofannon.lib.http.exchange import Exchange, taking_place
from gofannon.lib.http.lookups import Resolver, SystemResolver
from gofannon.lib.http.messages import (
    DEFAULT_SECONDS,
    METHODS,
    MOST_BYTES,
    Response,
    check_headers,
    raw_headers,
    read_headers,
)
from gofannon.lib.http.network import GuardedBackend
from gofannon.lib.http.urls import parse_url

# Shorter than the 5 s after which common servers close: a request that crosses their closing has an unknown outcome.
KEEPALIVE_SECONDS = 4.0
MOST_IDLE = 64
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# All that a redirect takes to another origin: any other header may be a key.
HARMLESS_HEADERS = frozenset({"accept", "accept-language", "user-agent"})

# httpcore logs the headers of answers at DEBUG.
logging.getLogger("httpcore").setLevel(logging.WARNING)


class Client:
    """Thread-safe. Reads nothing from the environment but where the operating system keeps its certificates."""

    def __init__(
        self,
        *,
        allow: AllowList | None = None,
        seconds: float = DEFAULT_SECONDS,
        resolver: Resolver | None = None,
    ) -> None:
        self._seconds = seconds
        self._pool = httpcore.ConnectionPool(
            ssl_context=httpcore.default_ssl_context(),
            max_connections=None,  # as many as there are threads that ask
            max_keepalive_connections=MOST_IDLE,
            keepalive_expiry=KEEPALIVE_SECONDS,
            network_backend=GuardedBackend(allow or AllowList(), resolver or SystemResolver()),
        )

    def close(self) -> None:
        self._pool.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        timeout: float | None = None,
        max_bytes: int = MOST_BYTES,
        redirects: int = 0,
        before_send: Callable[[], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Response:
        """Sends one request and reads its answer.

        timeout: seconds from now to the end of the answer. max_bytes: of the body, decompressed.
        redirects: how many are followed, for GET and HEAD; any other redirect is an answer like others.
        before_send: called once, when there is a connection and nothing has been written; what it raises comes out.
        cancelled: asked before every wait and about four times a second meanwhile; true ends the request.
        Raises HttpError.
        """
        exchange = Exchange(self._seconds if timeout is None else timeout, before_send, cancelled)
        try:
            if method not in METHODS:
                raise InvalidRequest("the method is none of " + ", ".join(sorted(METHODS)))
            check_headers(headers or {})
            with taking_place(exchange), _errors_of(exchange):
                return self._follow(
                    exchange, method, parse_url(url), dict(headers or {}), content, max_bytes, redirects
                )
        except HttpError as error:
            error.sent, error.status = exchange.sent, exchange.status
            raise

    def _follow(
        self,
        exchange: Exchange,
        method: str,
        url: httpx.URL,
        headers: dict[str, str],
        content: bytes,
        max_bytes: int,
        redirects: int,
    ) -> Response:
        follows = redirects > 0 and method in {"GET", "HEAD"}
        for left in count(redirects, -1):
            answer = self._send(exchange, method, url, headers, content)
            exchange.status = answer.status
            try:
                fields = read_headers(answer.headers)
                if not (follows and answer.status in REDIRECTS and "location" in fields):
                    return _read(answer, fields, method, url, max_bytes)
            finally:
                answer.close()
            if left == 0:
                raise TooManyRedirects(f"more than {redirects} redirects")
            url, headers = _next_hop(url, fields["location"], headers)
            exchange.next_hop()
        raise AssertionError("a count has no end")

    def _send(
        self, exchange: Exchange, method: str, url: httpx.URL, headers: Mapping[str, str], content: bytes
    ) -> httpcore.Response:
        request = httpcore.Request(
            method,
            httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=raw_headers(url.netloc, method, headers, len(content)),
            content=content or None,
            extensions={"timeout": {"pool": exchange.remaining()}},
        )
        return self._pool.handle_request(request)


def _next_hop(url: httpx.URL, location: str, headers: dict[str, str]) -> tuple[httpx.URL, dict[str, str]]:
    """Where a redirect leads, and the headers that go there. Raises InvalidUrl and AddressRefused."""
    try:
        target = parse_url(str(url.join(location)))
    except (httpx.InvalidURL, ValueError):
        raise InvalidAnswer("the redirect leads to something that is not a URL") from None
    if url.scheme == "https" and target.scheme != "https":
        raise AddressRefused("a redirect from https to http is not followed")
    if (url.scheme, url.host, url.port) == (target.scheme, target.host, target.port):
        return target, headers
    return target, {name: value for name, value in headers.items() if name.lower() in HARMLESS_HEADERS}


def _read(answer: httpcore.Response, fields: dict[str, str], method: str, url: httpx.URL, max_bytes: int) -> Response:
    encoding = "" if method == "HEAD" else fields.get("content-encoding", "").strip().lower()
    length = fields.get("content-length", "")
    if method != "HEAD" and answer.status != 304 and length.isdecimal() and int(length) > max_bytes and not encoding:
        raise TooLarge(f"the answer has more than {max_bytes} bytes")
    body = read_body(_chunks(answer), encoding, max_bytes)
    if encoding:
        fields = {name: value for name, value in fields.items() if name not in {"content-encoding", "content-length"}}
    return Response(answer.status, fields, body, str(url.copy_with(fragment=None)))


def _chunks(answer: httpcore.Response) -> Iterable[bytes]:
    stream = answer.stream
    if not isinstance(stream, Iterable):
        raise TypeError("an answer of httpcore's sync pool is iterable")
    return stream


@contextmanager
def _errors_of(exchange: Exchange) -> Iterator[None]:
    """Says httpcore's errors as ours. Theirs are left out of the chain, for they may quote headers."""
    try:
        yield
    except httpcore.LocalProtocolError:
        raise (InvalidAnswer if exchange.sent else InvalidRequest)("this cannot be said in HTTP/1.1") from None
    except httpcore.RemoteProtocolError:
        if exchange.hung_up:
            raise ConnectionLost("the other side closed the connection before its answer was complete") from None
        raise InvalidAnswer("the answer is not HTTP") from None
    except httpcore.TimeoutException:
        raise TimedOut("the time for the request is over") from None
    except httpcore.NetworkError:
        raise ConnectionLost("the connection was lost") from None

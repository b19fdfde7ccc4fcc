"""The one client for everything outbound: guarded, pooled, limited. Imports no app and no Django.

    answer = http.request("GET", "https://example.com/", redirects=3, timeout=10)

An address that is not public is refused when it is connected to, unless the operator lets it through. Every failure is
an HttpError, whose `sent` tells whether the other side may have heard of the request:

HttpError                  sent
├── InvalidUrl             no (1)     `invalid_url`
├── InvalidRequest         no         `invalid_request`: method or headers
├── AddressRefused         no (1)     `address_refused`
├── NoSuchHost             no (1)     `no_such_host`
├── ConnectFailed          no (1)     `connect_failed`
├── TlsFailed              no (1)     `tls_failed`
├── TimedOut               as it was  `timeout`
├── Cancelled              as it was  `cancelled`
├── ConnectionLost         yes        `connection_lost`
├── InvalidAnswer          yes        `invalid_answer`: no HTTP, damaged or unknown compression
├── TooLarge               yes        `too_large`
└── TooManyRedirects       yes        `too_many_redirects`

(1) yes where a redirect led there, for the first request had been sent.

No request is sent twice: a connection that was closed while it lay idle is found out before anything is written.
Headers and bodies are never logged, and no message quotes them.
"""

from collections.abc import Callable, Mapping

from gofannon.lib.http.allowed import AllowList
from gofannon.lib.http.errors import (
    AddressRefused,
    Cancelled,
    ConnectFailed,
    ConnectionLost,
    HttpError,
    InvalidAnswer,
    InvalidRequest,
    InvalidUrl,
    NoSuchHost,
    TimedOut,
    TlsFailed,
    TooLarge,
    TooManyRedirects,
)
from gofannon.lib.http.messages import MOST_BYTES, Response
from gofannon.lib.http.shared import Policy, close, configure, default_seconds, shared_client

__all__ = [
    "AddressRefused",
    "AllowList",
    "Cancelled",
    "ConnectFailed",
    "ConnectionLost",
    "HttpError",
    "InvalidAnswer",
    "InvalidRequest",
    "InvalidUrl",
    "NoSuchHost",
    "Policy",
    "Response",
    "TimedOut",
    "TlsFailed",
    "TooLarge",
    "TooManyRedirects",
    "close",
    "configure",
    "default_seconds",
    "request",
]


def request(
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
    """`Client.request` of the process's client; `timeout` is OUTBOUND_TIMEOUT_SECONDS where it is None."""
    return shared_client().request(
        method,
        url,
        headers=headers,
        content=content,
        timeout=timeout,
        max_bytes=max_bytes,
        redirects=redirects,
        before_send=before_send,
        cancelled=cancelled,
    )

"""What can go wrong with an outbound request."""

from typing import ClassVar


class HttpError(Exception):
    """A request that brought no answer that can be used. `str()` is one sentence without headers, bodies or queries.

    code: stable, for programs.
    sent: False only where certainly no byte of the request left; True as soon as the first one may have.
    status: of the answer, where its head had arrived before things went wrong.
    """

    code: ClassVar[str] = "http_error"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.sent = False
        self.status: int | None = None


class InvalidUrl(HttpError):
    code = "invalid_url"


class InvalidRequest(HttpError):
    code = "invalid_request"


class AddressRefused(HttpError):
    code = "address_refused"


class NoSuchHost(HttpError):
    code = "no_such_host"


class ConnectFailed(HttpError):
    code = "connect_failed"


class TlsFailed(HttpError):
    code = "tls_failed"


class TimedOut(HttpError):
    code = "timeout"


class Cancelled(HttpError):
    code = "cancelled"


class ConnectionLost(HttpError):
    code = "connection_lost"


class InvalidAnswer(HttpError):
    code = "invalid_answer"


class TooLarge(HttpError):
    code = "too_large"


class TooManyRedirects(HttpError):
    code = "too_many_redirects"

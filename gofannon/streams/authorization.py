"""One authorisation for both ways of serving: a request to the event loop passes through Django like any other."""

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponseBase

from gofannon.serving.environ import build_environ
from gofannon.streams.doors import Admission
from gofannon.streams.protocol import Scope, Send
from gofannon.wsgi import application as django

DOORS = "gofannon.streams.doors"
_OF_A_BODY = (b"accept", b"content-length", b"content-type", b"transfer-encoding")


class Refused(Exception):
    """Not admitted: what Django answered instead."""

    def __init__(self, response: HttpResponseBase) -> None:
        super().__init__(response.status_code)
        self.status: int = response.status_code
        self.headers = headers_of(response)
        self.body: bytes = getattr(response, "content", b"")

    async def answer(self, send: Send) -> None:
        headers = [*self.headers, (b"content-length", str(len(self.body)).encode())]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})


def authorize(scope: Scope) -> Admission:
    """What the request's path in `doors` admits to. Raises Refused. Reads the database: call it on a reader's thread.

    Middleware, session cookie, access key, scopes, permissions, visibility and the shape of refusals are Django's and
    DRF's own, over the same view that answers the path's JSON.
    """
    response = django.get_response(_request(scope))
    response.close()
    if not isinstance(response, Admission):
        raise Refused(response)
    return response


def headers_of(response: HttpResponseBase) -> list[tuple[bytes, bytes]]:
    """The response's headers and cookies as ASGI has them, without its length."""
    pairs = [(name, value) for name, value in response.items() if name.lower() != "content-length"]
    pairs += [("set-cookie", cookie.OutputString()) for cookie in response.cookies.values()]
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in pairs]


def _request(scope: Scope) -> WSGIRequest:
    # A refusal is written in JSON, whatever the stream would have been.
    headers = [pair for pair in scope["headers"] if pair[0] not in _OF_A_BODY]
    whole = {**scope, "headers": [*headers, (b"accept", b"application/json")]}
    request = WSGIRequest(build_environ(whole))
    request.urlconf = DOORS
    return request

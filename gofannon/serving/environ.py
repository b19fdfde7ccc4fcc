"""A request in the words of WSGI (PEP 3333), from the words of ASGI."""

import sys
from io import BytesIO
from typing import Any

from gofannon.streams.protocol import Scope

Environ = dict[str, Any]
_PLAIN = {"content-type": "CONTENT_TYPE"}
# The body is whole: its length is known, and it has no encoding any more.
_OF_THE_TRANSFER = ("content-length", "transfer-encoding")


def build_environ(scope: Scope, body: bytes = b"") -> Environ:
    """What the request says, as text in which each character is one byte."""
    root: str = scope.get("root_path", "")
    server, port = scope.get("server") or ("localhost", 80)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _bytes_as_text(root),
        "PATH_INFO": _bytes_as_text(scope["path"].removeprefix(root)),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_NAME": server,
        "SERVER_PORT": str(port or 0),
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    client = scope.get("client")
    if client is not None:
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = client[0], str(client[1])
    _add_headers(environ, scope["headers"])
    return environ


def _add_headers(environ: Environ, headers: list[tuple[bytes, bytes]]) -> None:
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        # With an underscore it would pass for another: `x_forwarded_proto` is not what the proxy has set.
        if "_" in name or name in _OF_THE_TRANSFER:
            continue
        key = _PLAIN.get(name) or "HTTP_" + name.upper().replace("-", "_")
        if key in environ:
            value = environ[key] + ("; " if name == "cookie" else ",") + value
        environ[key] = value


def _bytes_as_text(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("latin-1")

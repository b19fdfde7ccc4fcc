"""What goes out and what comes back."""

import codecs
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gofannon.lib.http.errors import InvalidRequest

MOST_BYTES = 4 << 20
DEFAULT_SECONDS = 30.0
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Those that say where the request goes and where it ends, and those between two neighbours.
OWN_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "accept-encoding",
    }
)
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_TEXT_CODECS = ("utf-8", "utf-16", "utf-32", "ascii", "iso8859", "cp125", "koi8", "gb", "big5", "shift_jis", "euc")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: its status, headers (lower-case names), decompressed body, and the URL that gave it."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    url: str

    @property
    def text(self) -> str:
        """The body by its charset, UTF-8 where it names none; what is no text becomes U+FFFD."""
        found = re.search(r"charset=[\"']?([\w.:-]+)", self.headers.get("content-type", ""), re.IGNORECASE)
        return self.content.decode(_codec(found.group(1) if found else "utf-8"), errors="replace")


def _codec(name: str) -> str:
    """The codec if it is one of text: some others of Python's take quadratic time."""
    try:
        known = codecs.lookup(name).name
    except LookupError:
        return "utf-8"
    return known if known.startswith(_TEXT_CODECS) else "utf-8"


def check_headers(headers: Mapping[str, str]) -> None:
    """Raises InvalidRequest, which names the header and not its value."""
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise InvalidRequest(f"{str(name)[:80]!r} is no name of a header")
        if name.lower() in OWN_HEADERS:
            raise InvalidRequest(f"the header {name[:80]} is set by the client itself")
        if not isinstance(value, str) or not _HEADER_VALUE.fullmatch(value):
            raise InvalidRequest(f"the value of the header {name[:80]} has characters that no header can have")


def raw_headers(netloc: bytes, method: str, headers: Mapping[str, str], length: int) -> list[tuple[bytes, bytes]]:
    """The headers as they go out: ours, then the caller's, which win over `User-Agent` and `Accept`."""
    given = {name.lower() for name in headers}
    raw = [(b"Host", netloc)]
    for name, value in (("User-Agent", "gofannon"), ("Accept", "*/*")):
        if name.lower() not in given:
            raw.append((name.encode(), value.encode()))
    raw.append((b"Accept-Encoding", b"gzip"))
    raw += [(name.encode("ascii"), value.strip().encode("latin-1")) for name, value in headers.items()]
    if length or method in {"POST", "PUT", "PATCH"}:
        raw.append((b"Content-Length", str(length).encode()))
    return raw


def read_headers(raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Lower-case names; the values of one that comes several times are joined by commas."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return headers

"""URLs, parsed once."""

import httpx

from gofannon.lib.http.errors import InvalidUrl


def parse_url(url: str) -> httpx.URL:
    """Raises InvalidUrl for whatever is not http:// or https:// with a host, without credentials."""
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host
    except (httpx.InvalidURL, TypeError, ValueError):
        raise InvalidUrl("this is not a URL") from None
    if parsed.scheme not in {"http", "https"}:
        raise InvalidUrl("a URL begins with http:// or https://")
    if not host:
        raise InvalidUrl("the URL has no host")
    if parsed.port is not None and not 1 <= parsed.port <= 65535:
        raise InvalidUrl("the URL's port is not between 1 and 65535")
    if parsed.userinfo:
        raise InvalidUrl("a URL has no user name and password; they belong into a header")
    return parsed

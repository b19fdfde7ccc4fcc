"""Whose share a request counts against, and how much of something each client holds."""

from collections import Counter
from ipaddress import IPv6Address, ip_address

from django.conf import settings

from gofannon.streams.protocol import Scope

# Of an IPv6 address: the network that one subscriber has for himself.
SUBSCRIBER_BITS = 64


class Holdings:
    """Bytes that are held for clients."""

    def __init__(self) -> None:
        self.total = 0
        self.of: Counter[str] = Counter()

    def add(self, client: str, size: int) -> None:
        self.total += size
        self.of[client] += size

    def drop(self, client: str, size: int) -> None:
        self.total -= size
        self.of[client] -= size
        if self.of[client] <= 0:
            del self.of[client]

    def largest(self) -> str:
        """The client for which most is held. Raises ValueError where nothing is."""
        return max(self.of, key=self.of.__getitem__)


def client_of(scope: Scope) -> str:
    """The client's address or IPv6 network; empty where there is none, as on a Unix socket.

    Behind a proxy it is what the proxy has written last: the entries before are the client's to invent.
    """
    if settings.SECURE_PROXY_SSL_HEADER:
        forwarded = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
        last = forwarded[-1].decode("latin-1").rpartition(",")[2].strip() if forwarded else ""
        if last:
            return _subscriber(last)
    peer = scope.get("client")
    return _subscriber(peer[0]) if peer else ""


def _subscriber(address: str) -> str:
    if address.count(":") < 2:
        return address.partition(":")[0]  # some proxies write the port
    bare = address.removeprefix("[").partition("]")[0].partition("%")[0]
    try:
        parsed = ip_address(bare)
    except ValueError:
        return bare
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> (128 - SUBSCRIBER_BITS):x}"

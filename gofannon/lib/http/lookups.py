"""Names, looked up in threads of their own: the system's resolver knows no deadline."""

import socket
import threading
from collections.abc import Sequence
from concurrent.futures import Future, wait
from ipaddress import ip_address
from typing import Protocol

from gofannon.lib.http.addresses import Address
from gofannon.lib.http.errors import NoSuchHost
from gofannon.lib.http.exchange import current

MOST_LEFT = 64


class Resolver(Protocol):
    def resolve(self, host: str) -> Sequence[Address]:
        """The addresses of a name, best first. Raises OSError where there are none."""


class SystemResolver:
    """The operating system's: /etc/hosts, DNS, and numbers in every notation that it understands."""

    def resolve(self, host: str) -> Sequence[Address]:
        found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


class Lookups:
    """Asks a resolver.

    Requests that run out of time or are cancelled leave their look-ups behind, MOST_LEFT at a time; beyond these they
    stay until the resolver gives up. So threads are no more than the requests that are made and MOST_LEFT, however
    slow the names are that somebody asks for, and nobody's look-up waits for another's.
    """

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._left = threading.BoundedSemaphore(MOST_LEFT)

    def find(self, host: str) -> Sequence[Address]:
        """The addresses of a name or of a number, for the current exchange. Raises NoSuchHost, TimedOut, Cancelled."""
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        answer: Future[Sequence[Address]] = Future()
        threading.Thread(target=self._ask, args=[host, answer], name="outbound-lookup", daemon=True).start()
        try:
            while not answer.done():
                wait([answer], current().next_wait(f"{host} was not found in time"))
        finally:
            self._leave(answer)
        if (error := answer.exception()) is not None:
            raise NoSuchHost(f"{host} has no address") from error
        return answer.result()

    def _ask(self, host: str, answer: "Future[Sequence[Address]]") -> None:
        try:
            answer.set_result(self._resolver.resolve(host))
        except Exception as error:
            answer.set_exception(error)

    def _leave(self, answer: "Future[Sequence[Address]]") -> None:
        if answer.done():
            return
        if self._left.acquire(blocking=False):
            answer.add_done_callback(lambda _answer: self._left.release())
        else:
            wait([answer])

"""Names, sockets and TLS: an address is checked where it is connected to, so that no later answer of a name counts."""

import queue
import select
import socket
import ssl
import threading
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import Any, Protocol

import httpcore

from gofannon.lib.http.addresses import Address, is_public
from gofannon.lib.http.allowed import AllowList
from gofannon.lib.http.errors import AddressRefused, ConnectFailed, ConnectionLost, NoSuchHost, TimedOut, TlsFailed
from gofannon.lib.http.exchange import current


class Resolver(Protocol):
    def resolve(self, host: str) -> Sequence[Address]:
        """The addresses of a name, best first. Raises OSError where there are none."""


class SystemResolver:
    """The operating system's: /etc/hosts, DNS, and numbers in every notation that it understands."""

    def resolve(self, host: str) -> Sequence[Address]:
        found = socket.getaddrinfo(host.encode("ascii"), None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to public addresses and to what `allow` lets through."""

    def __init__(self, allow: AllowList, resolver: Resolver) -> None:
        self._allow = allow
        self._resolver = resolver

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connects to one of the addresses of `host`, in their order.

        Raises NoSuchHost, AddressRefused (one address that is not let through is enough), ConnectFailed, TimedOut.
        """
        addresses = self._look_up(host)
        for address in addresses:
            if not (is_public(address) or self._allow.lets(host, port, address)):
                raise AddressRefused(
                    f"{host}:{port} is not a public address; OUTBOUND_ALLOW can let it through (see docs/settings.md)"
                )
        failure: Exception = NoSuchHost(f"{host} has no address")
        for tried, address in enumerate(addresses):
            # A dead address must leave time for those behind it.
            seconds = current().remaining() / (len(addresses) - tried)
            try:
                return Stream(_connected(address, port, seconds))
            except TimeoutError:
                failure = TimedOut(f"no connection to {host}:{port} in time")
            except OSError as error:
                failure = ConnectFailed(f"no connection to {host}:{port}: {error.strerror or type(error).__name__}")
        raise failure

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise AddressRefused("outbound requests use no unix sockets")

    def _look_up(self, host: str) -> Sequence[Address]:
        """In a thread of its own where it may take long: the system's resolver knows no deadline."""
        try:
            return [ip_address(host)]
        except ValueError:
            pass
        answers: queue.SimpleQueue[Sequence[Address] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            try:
                answers.put(self._resolver.resolve(host))
            except Exception as error:
                answers.put(error)

        threading.Thread(target=ask, name="outbound-lookup", daemon=True).start()
        try:
            answer = answers.get(timeout=current().remaining())
        except queue.Empty:
            raise TimedOut(f"{host} was not found in time") from None
        if isinstance(answer, Exception):
            raise NoSuchHost(f"{host} has no address") from answer
        return answer


def _connected(address: Address, port: int, seconds: float) -> socket.socket:
    """Raises OSError, TimeoutError among them."""
    sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.settimeout(seconds)
        sock.connect((str(address), port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


class Stream(httpcore.NetworkStream):
    """A socket that keeps to the deadline of the current exchange, whatever timeouts httpcore asks for."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = current()
        self._sock.settimeout(exchange.remaining())
        try:
            data = self._sock.recv(max_bytes)
        except TimeoutError:
            raise TimedOut("no complete answer in time") from None
        except OSError as error:
            raise ConnectionLost(f"the connection was lost: {error.strerror or type(error).__name__}") from error
        exchange.hung_up = not data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Raises httpcore.WriteError for a lost connection: httpcore then looks for an answer that was sent early."""
        if not buffer:
            return
        exchange = current()
        exchange.about_to_write(self)
        rest = memoryview(buffer)
        while rest:
            self._sock.settimeout(exchange.remaining())
            try:
                rest = rest[self._sock.send(rest) :]
            except TimeoutError:
                raise TimedOut("the request could not be sent in time") from None
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Raises TlsFailed and TimedOut, and has closed the socket then."""
        try:
            self._sock.settimeout(current().remaining())
            return Stream(ssl_context.wrap_socket(self._sock, server_hostname=server_hostname))
        except TimeoutError:
            failure: Exception = TimedOut(f"no TLS connection to {server_hostname} in time")
        except ssl.SSLCertVerificationError as error:
            failure = TlsFailed(f"the certificate of {server_hostname} is refused: {error.verify_message}")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            failure = TlsFailed(f"no TLS connection to {server_hostname}: {reason}")
        except BaseException:
            self._sock.close()
            raise
        self._sock.close()
        raise failure

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._sock if isinstance(self._sock, ssl.SSLSocket) else None
        if info == "is_readable":
            return self._is_readable()
        return None

    def _is_readable(self) -> bool:
        """Of an idle connection: whether the other side has closed it (or talks out of turn)."""
        if self._sock.fileno() < 0:
            return True
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return bool(poll.poll(0))

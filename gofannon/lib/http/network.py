"""Names, sockets and TLS: an address is checked where it is connected to, so that no later answer of a name counts."""

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore

from gofannon.lib.http.addresses import Address, is_public
from gofannon.lib.http.allowed import AllowList
from gofannon.lib.http.errors import AddressRefused, ConnectFailed, ConnectionLost, NoSuchHost, TimedOut, TlsFailed
from gofannon.lib.http.exchange import current
from gofannon.lib.http.lookups import Lookups, Resolver


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to public addresses and to what `allow` lets through."""

    def __init__(self, allow: AllowList, resolver: Resolver) -> None:
        self._allow = allow
        self._lookups = Lookups(resolver)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connects to one of the addresses of `host`, in their order.

        Raises NoSuchHost, AddressRefused (one address that is not let through is enough), ConnectFailed, TimedOut,
        Cancelled.
        """
        addresses = self._lookups.find(host)
        for address in addresses:
            if not (is_public(address) or self._allow.lets(host, port, address)):
                raise AddressRefused(
                    f"{host}:{port} is not a public address; OUTBOUND_ALLOW can let it through (see docs/settings.md)"
                )
        failure: Exception = NoSuchHost(f"{host} has no address")
        late = f"no connection to {host}:{port} in time"
        for tried, address in enumerate(addresses):
            # A dead address must leave time for those behind it.
            seconds = current().remaining() / (len(addresses) - tried)
            current().next_wait(late)  # who has been cancelled connects to nobody
            try:
                sock = _connected(address, port, seconds, late)
                if leads_home(sock) and not self._allow.lets(host, port, address):
                    sock.close()
                    raise AddressRefused(f"{host}:{port} is this machine; OUTBOUND_ALLOW can let it through")
                return Stream(sock)
            except TimeoutError:
                failure = TimedOut(late)
            except OSError as error:
                failure = ConnectFailed(f"no connection to {host}:{port}: {error.strerror or type(error).__name__}")
        raise failure

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        raise AddressRefused("outbound requests use no unix sockets")


def leads_home(sock: socket.socket) -> bool:
    """Whether the other end is this machine, by whichever of its addresses: the kernel then takes it for both ends."""
    there: str = sock.getpeername()[0]
    here: str = sock.getsockname()[0]
    return there == here


def _connected(address: Address, port: int, seconds: float, late: str) -> socket.socket:
    """Raises OSError, TimeoutError among them, Cancelled, and TimedOut, which says `late`."""
    sock = socket.socket(socket.AF_INET if address.version == 4 else socket.AF_INET6, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        failure = sock.connect_ex((str(address), port))
        if failure == errno.EINPROGRESS:
            _await_connection(sock, time.monotonic() + seconds, late)
            failure = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if failure:
            raise OSError(failure, os.strerror(failure))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        sock.close()
        raise
    return sock


def _await_connection(sock: socket.socket, deadline: float, late: str) -> None:
    """Returns once the kernel has made a connection or given up. Raises TimeoutError, Cancelled, TimedOut."""
    poll = select.poll()
    poll.register(sock, select.POLLOUT)
    while (left := deadline - time.monotonic()) > 0:
        if poll.poll(min(left, current().next_wait(late)) * 1000):
            return
    raise TimeoutError


class Stream(httpcore.NetworkStream):
    """A socket that keeps to the deadline of the current exchange, whatever timeouts httpcore asks for."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        exchange = current()
        while True:
            self._sock.settimeout(exchange.next_wait("no complete answer in time"))
            try:
                data = self._sock.recv(max_bytes)
            except TimeoutError:
                continue
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
            self._sock.settimeout(exchange.next_wait("the request could not be sent in time"))
            try:
                rest = rest[self._sock.send(rest) :]
            except TimeoutError:
                continue  # with the very bytes of before, as TLS wants it
            except OSError as error:
                raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._sock.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """Raises TlsFailed, TimedOut and Cancelled, and has closed the socket then."""
        sock = self._sock
        try:
            sock = ssl_context.wrap_socket(sock, server_hostname=server_hostname, do_handshake_on_connect=False)
            _shake_hands(sock, f"no TLS connection to {server_hostname} in time")
            return Stream(sock)
        except ssl.SSLCertVerificationError as error:
            failure = TlsFailed(f"the certificate of {server_hostname} is refused: {error.verify_message}")
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            failure = TlsFailed(f"no TLS connection to {server_hostname}: {reason}")
        except BaseException:
            sock.close()
            raise
        sock.close()
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


def _shake_hands(sock: ssl.SSLSocket, late: str) -> None:
    """Raises OSError, Cancelled, and TimedOut, which says `late`."""
    while True:
        sock.settimeout(current().next_wait(late))
        try:
            return sock.do_handshake()
        except TimeoutError:
            continue

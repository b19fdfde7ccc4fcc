"""A real HTTP server on localhost for tests: it counts every arrival, and answers or misbehaves as each path is told.

    with http_server() as server:
        server.on("/charge", Reply(status=503), Reply(body=b"paid"))  # one after the other, the last one for ever
        ...
        assert [arrival.headers["idempotency-key"] for arrival in server.arrivals_at("/charge")] == ["k1", "k1"]

A client of this process reaches it where OUTBOUND_ALLOW lets `server.netloc` through; one of another process gets it in
its environment.
"""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

from gofannon.lib import http


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request that was read to its end. `headers` have lower-case names; `at` is `time.monotonic()`."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or what is done instead.

    delay: seconds before the answer. pause: seconds before each byte of the body. chunked: the body's length is not
    told in advance. raw: written as it is, in place of everything else.
    close: "before_reading" takes the request's head and then resets the connection, body unread and arrival uncounted;
    "after_reading" counts it and closes without an answer; "mid_answer" closes after half of the body;
    "after_answer" closes without having said so.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    delay: float = 0
    pause: float = 0
    chunked: bool = False
    raw: bytes | None = None
    close: Literal["", "before_reading", "after_reading", "mid_answer", "after_answer"] = ""


Answer = Reply | Callable[[Arrival], Reply]


class HttpServer:
    """`url` is such as `http://127.0.0.1:40123`; `arrivals` and `connections` (a number) grow as they happen."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.arrivals: list[Arrival] = []
        self.connections = 0
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._answers: dict[str, list[Answer]] = {}
        self._server = _Server(self, tls)
        self.netloc = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"{'https' if tls else 'http'}://{self.netloc}"

    def on(self, path: str, *answers: Answer) -> None:
        """What the next requests for `path` (without its query) get: one answer each, and the last one for ever."""
        with self._lock:
            self._answers[path] = list(answers)

    def arrivals_at(self, path: str) -> list[Arrival]:
        with self._lock:
            return [arrival for arrival in self.arrivals if urlsplit(arrival.path).path == path]

    def wait_for_arrivals(self, count: int, path: str, seconds: float = 30) -> list[Arrival]:
        """The arrivals at `path` once there are `count` of them. Raises AssertionError where they do not come."""
        deadline = time.monotonic() + seconds
        while len(found := self.arrivals_at(path)) < count:
            assert time.monotonic() < deadline, f"{len(found)} of {count} requests have arrived at {path}"
            time.sleep(0.01)
        return found

    def wait_until_closed(self, seconds: float = 30) -> None:
        """Returns once no connection is open. Raises AssertionError where one stays so."""
        deadline = time.monotonic() + seconds
        while self._server.open_connections():
            assert time.monotonic() < deadline, "a connection stays open"
            time.sleep(0.01)

    def answer_to(self, path: str) -> Answer:
        with self._lock:
            answers = self._answers.get(urlsplit(path).path, [Reply()])
            return answers.pop(0) if len(answers) > 1 else answers[0]

    def note(self, arrival: Arrival) -> None:
        with self._lock:
            self.arrivals.append(arrival)

    def note_connection(self) -> None:
        with self._lock:
            self.connections += 1

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        """Ends all connections and waits for their threads."""
        self.stopping.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that server_close waits for them
    request_queue_size = 128

    def __init__(self, owner: HttpServer, tls: ssl.SSLContext | None) -> None:
        self.owner = owner
        self._tls = tls
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        sock, address = super().get_request()
        self.owner.note_connection()
        with self._open_lock:
            self._open.add(sock)
        return sock, address

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._tls is None:
            super().finish_request(request, client_address)
            return
        with self._tls.wrap_socket(request.dup(), server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._open_lock:
            self._open.discard(request)

    def open_connections(self) -> int:
        with self._open_lock:
            return len(self._open)

    def hang_up(self) -> None:
        with self._open_lock:
            for sock in self._open:
                with suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _handle(self) -> None:
        owner = self.server.owner
        answer = owner.answer_to(self.path)
        if isinstance(answer, Reply) and answer.close == "before_reading":
            self._reset()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        arrival = Arrival(self.command, self.path, headers, body, time.monotonic())
        owner.note(arrival)
        reply = answer if isinstance(answer, Reply) else answer(arrival)
        if not owner.stopping.wait(reply.delay):
            self._reply(reply)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _handle

    def _reply(self, reply: Reply) -> None:
        self.close_connection = bool(reply.close) or self.close_connection
        if reply.close == "after_reading":
            return
        if reply.raw is not None:
            self.wfile.write(reply.raw)
            return
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self._write_body(reply)

    def _write_body(self, reply: Reply) -> None:
        body = reply.body[: len(reply.body) // 2] if reply.close == "mid_answer" else reply.body
        step = 1 if reply.pause else 1 << 16
        for start in range(0, len(body), step):
            if self.server.owner.stopping.wait(reply.pause):
                return
            piece = body[start : start + step]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if reply.chunked else piece)
        if reply.chunked and reply.close != "mid_answer":
            self.wfile.write(b"0\r\n\r\n")

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def http_server(tls: ssl.SSLContext | None = None) -> Iterator[HttpServer]:
    """A running server; at the end its connections are closed, and the process's own client's too."""
    server = HttpServer(tls)
    server.start()
    try:
        yield server
    finally:
        http.close()
        server.stop()

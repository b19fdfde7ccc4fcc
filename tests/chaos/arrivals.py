"""The other side: an HTTP server that counts every arrival, recognises none, and takes its time to answer."""

import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.chaos.programs import number_of

MOST_DELAY_SECONDS = 0.3

Place = tuple[str, str, int]
"""(class, marker, number) of a call."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """`said` is the query and the body; `at` is `time.time()`."""

    key: str
    said: str
    at: float


class Arrivals:
    """What arrived, by call."""

    def __init__(self, seed: int) -> None:
        self._found: dict[Place, list[Arrival]] = defaultdict(list)
        self._rng = random.Random(seed)
        self._lock = threading.Lock()
        self.url = ""

    def note(self, place: Place, arrival: Arrival) -> float:
        """Counts it; the seconds to wait before it is answered."""
        with self._lock:
            self._found[place].append(arrival)
            return self._rng.uniform(0, MOST_DELAY_SECONDS)

    def of(self, place: Place) -> list[Arrival]:
        with self._lock:
            return list(self._found.get(place, ()))

    def all(self) -> dict[Place, list[Arrival]]:
        with self._lock:
            return {place: list(found) for place, found in self._found.items()}


def answer_to(place: Place, url: str) -> dict[str, Any]:
    """What the code gets for that call, as the tools render it."""
    shown = {"content-type": "application/json"}
    return {"status": 200, "url": url, "headers": shown, "json": {"number": number_of(*place)}}


def place_of(url: str) -> Place:
    """Raises ValueError for another URL."""
    op, marker, n = urlsplit(url).path.strip("/").split("/")
    return op, marker, int(n)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256
    arrivals: Arrivals

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that die are what this is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:  # its sender died before it had sent it: half a request is none
            self.close_connection = True
            return
        place = place_of(self.path)
        said = urlsplit(self.path).query + " " + body.decode()
        arrival = Arrival(self.headers.get("Idempotency-Key", ""), said, time.time())
        time.sleep(self.server.arrivals.note(place, arrival))
        content = json.dumps({"number": number_of(*place)}).encode()
        # No Date: what the code gets depends on the call alone.
        self.send_response_only(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = _handle

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def counting(seed: int) -> Iterator[Arrivals]:
    """A running server on a free port of 127.0.0.1."""
    arrivals = Arrivals(seed)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.arrivals = arrivals
    arrivals.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, name="counting", kwargs={"poll_interval": 0.1})
    thread.start()
    try:
        yield arrivals
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

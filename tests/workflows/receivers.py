"""Receivers of webhooks: real HTTP servers on this machine, and what they need to believe a message."""

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from django.utils import timezone

from billing.models import User
from workflows.models import Delivery, Run, Status
from workflows.webhooks import rows
from workflows.webhooks.sender import Sender


class Arrival(NamedTuple):
    path: str
    headers: Mapping[str, str]
    body: bytes


class Answer(NamedTuple):
    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""


@dataclass
class Receiver:
    """Answers the n-th arrival (from 0) by `answer(n)`; while it is `held`, an arrival waits for its answer."""

    answer: Callable[[int], Answer] = lambda number: Answer()
    url: str = ""
    arrivals: list[Arrival] = field(default_factory=list)
    held: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, arrival: Arrival) -> Answer:
        with self.lock:
            self.arrivals.append(arrival)
            number = len(self.arrivals) - 1
        self.held.wait(30)
        return self.answer(number)


@contextmanager
def receiving(
    answer: Callable[[int], Answer] = lambda number: Answer(), *, host: str = "127.0.0.1", held: bool = False
) -> Iterator[Receiver]:
    receiver = Receiver(answer)
    if not held:
        receiver.held.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.take(Arrival(self.path, headers, body))
            try:
                self.send_response(answer.status)
                for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer.body)
            except OSError:  # the sender has hung up
                self.close_connection = True

        def log_message(self, *args: Any) -> None:
            pass

    with ThreadingHTTPServer((host, 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        receiver.url = f"http://{host}:{server.server_port}/hook"
        try:
            yield receiver
        finally:
            receiver.held.set()
            server.shutdown()
            thread.join()


@contextmanager
def sending() -> Iterator[Sender]:
    """A sender at work, as every worker has one."""
    sender = Sender()
    sender.start()
    try:
        yield sender
    finally:
        sender.stop(wait=True)


def finished_run(actor: User | None, status: Status = Status.COMPLETED, **fields: Any) -> Run:
    """A run that has just ended."""
    now = timezone.now()
    people = {"actor": actor, "owner": actor, "payer": actor}
    return Run.objects.create(**{"kind": "code", "status": status, "finished_at": now, **people, **fields})


def owed(actor: User | None, url: str, **fields: Any) -> Delivery:
    """A delivery that waits, about a run of its own."""
    delivery = Delivery.objects.create(run=fields.pop("run", None) or finished_run(actor), url=url, **fields)
    rows.bell.set()
    return delivery


def believed(arrival: Arrival, *secrets: str) -> bool:
    """Whether a receiver that knows one of the secrets believes the message: the specification's check, once more."""
    content = f"{arrival.headers['webhook-id']}.{arrival.headers['webhook-timestamp']}.{arrival.body.decode()}"
    expected = set()
    for secret in secrets:
        kind, _, key = secret.partition("_")
        assert kind == "whsec"
        mac = hmac.digest(base64.standard_b64decode(key), content.encode(), hashlib.sha256)
        expected.add("v1," + base64.standard_b64encode(mac).decode("ascii"))
    return bool(expected & set(arrival.headers["webhook-signature"].split(" ")))


def soon(truth: Callable[[], Any], seconds: float = 20) -> None:
    """Waits until it is true; fails the test where it does not become so."""
    deadline = time.monotonic() + seconds
    while not truth():
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.01)


def over(delivery: Delivery) -> Delivery:
    """The delivery once it is no longer pending."""

    def ended() -> bool:
        rows.bell.set()
        delivery.refresh_from_db()
        return delivery.status != Delivery.Status.PENDING

    soon(ended)
    return delivery


def told(delivery: Delivery) -> list[Any]:
    """What the log says of each try: a status, else an error, else None."""
    return [one.get("status") or one.get("error") for one in delivery.log]

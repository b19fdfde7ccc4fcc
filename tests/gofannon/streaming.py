"""For the tests of streams: a server, a client that reads Server-Sent Events, and a run to watch."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import islice
from pathlib import Path
from typing import Any, Self

import uvicorn
from django.conf import settings
from django.db import connection, transaction
from redis import Redis

from billing.actions import create_access_key
from billing.models import User
from gofannon.asgi import application
from gofannon.streams import hub
from tests import services
from workflows import bus, transitions
from workflows.models import Run
from workflows.transitions import Note

PATIENCE = 60.0


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)
    return found


def held_run(owner: User, **people: User) -> Run:
    """A run that this process holds and nobody works on. Its events 1 and 2 are `created` and `started`."""
    with transaction.atomic():
        return transitions.create_run(Run(kind="code", **{"actor": owner, "owner": owner, **people}), claim=True)


def happen(run: Run, count: int = 1, **data: Any) -> None:
    """Appends events of the type `log`."""
    transitions.append_events(run, [Note("log", data)] * count)


def key_of(user: User, *scopes: str) -> str:
    return create_access_key(user=user, name="k", scopes=list(scopes or ("read",)))[1]


def bearer(user: User) -> dict[str, str]:
    return {"Authorization": f"Bearer {key_of(user)}"}


@dataclass(frozen=True)
class Told:
    """One event as it came over the wire."""

    id: int | None
    type: str
    data: Any


class Listener:
    """A client of a run's stream. `response` is http.client's; the rest of it is read by `events`."""

    def __init__(self, port: int, run: Run | str, query: str = "", **headers: str) -> None:
        run_id = run if isinstance(run, str) else run.pk
        self.connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        fields = {"Accept": "text/event-stream", **{name.replace("_", "-"): text for name, text in headers.items()}}
        self.connection.request("GET", f"/api/runs/{run_id}/events{query}", headers=fields)
        self.response = self.connection.getresponse()
        self.status = self.response.status

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self.response.close()
        self.connection.close()

    def document(self) -> Any:
        return json.loads(self.response.read())

    def lines(self) -> Iterator[str]:
        """Until the stream ends."""
        while line := self.response.readline():
            yield line.decode().removesuffix("\n")

    def events(self) -> Iterator[Told]:
        fields: dict[str, str] = {}
        for line in self.lines():
            name, _, text = line.partition(": ")
            if name:
                fields[name] = text
            elif "data" in fields:
                number = int(fields["id"]) if "id" in fields else None
                yield Told(number, fields["event"], json.loads(fields["data"]))
                fields = {}
            else:
                fields = {}

    def take(self, count: int) -> list[Told]:
        return list(islice(self.events(), count))


@contextmanager
def broker() -> Iterator[None]:
    """A Valkey, once what this process announces reaches it: after an outage the bus pauses."""
    with services.valkey(Path(settings.VAR_DIR)), Redis.from_url(settings.REDIS_URL) as client, client.pubsub() as ear:
        ear.subscribe(bus.channel("probe"))

        def heard() -> bool:
            bus.announce("probe", 1)
            message = ear.get_message(timeout=0.05)
            return message is not None and message["type"] == "message"

        until(heard, "the bus")
        yield


def status_of(port: int, path: str, address: str = "127.0.0.1", body: bytes | None = None) -> int:
    """The status of one whole exchange with a client that reads, from `address` (any of 127.0.0.0/8)."""
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE, source_address=(address, 0))
    with closing(connection):
        connection.request("GET" if body is None else "POST", path, body)
        response = connection.getresponse()
        response.read()
        return response.status


@contextmanager
def deaf(port: int, *requests: str, address: str = "127.0.0.1", head: str = "") -> Iterator[socket.socket]:
    """A client that sends requests for these paths one behind the other, with the header lines `head`; reads nothing.

    The system holds next to nothing for it, where the server's socket was made by `Server`.
    """
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.settimeout(PATIENCE)
        client.bind((address, 0))
        client.connect(("127.0.0.1", port))
        client.sendall("".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n" for path in requests).encode())
        yield client


class Server:
    """The application behind a real uvicorn, in a thread of this process, on the test's database."""

    def __enter__(self) -> Self:
        self.socket = socket.create_server(("127.0.0.1", 0))
        # Each connection's, so that who does not read is noticed early.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 8192)
        self.port: int = self.socket.getsockname()[1]
        config = uvicorn.Config(application, http="httptools", ws="none", log_config=None, access_log=False)
        self.uvicorn = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.uvicorn.run, args=([self.socket],))
        self.thread.start()
        until(lambda: self.uvicorn.started, "the server")
        return self

    def __exit__(self, *error: object) -> None:
        found = self.hub
        if found is not None and found.open:
            hub._hub[0].call_soon_threadsafe(found.end_streams)  # type: ignore[index]
        self.uvicorn.should_exit = True
        self.thread.join()

    @property
    def hub(self) -> hub.Hub:
        """The one that has served last."""
        assert hub._hub is not None
        return hub._hub[1]


@contextmanager
def appending(run: Run, count: int) -> Iterator[None]:
    """While the block runs, a thread appends `count` events to the run and completes it."""

    def work() -> None:
        for number in range(count):
            happen(run, number % 3 + 1, number=number)
        transitions.complete_run(run, output="done")
        connection.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        thread.join()

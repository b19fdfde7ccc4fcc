"""Runs that wait for an answer hold no database connection, however many they are."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from billing.models import User
from tests import services
from tests.conftest import database_url
from tests.factories.runs import deploy
from tests.http_server import Arrival, HttpServer, Reply, http_server
from tickets import actions
from workflows.models import Run

WAITING = 64
POOL = 6
CODE = "def handler(event):\n    log('asking')\n    return tools.http.get(url=event)['status']\n"

pytestmark = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="a connection to SQLite is a file handle of the process, and costs nobody"
)


@pytest.fixture
def open_door() -> threading.Event:
    return threading.Event()


@pytest.fixture
def server(open_door: threading.Event) -> Iterator[HttpServer]:
    def answer(_: Arrival) -> Reply:
        open_door.wait(60)
        return Reply()

    with http_server() as server:
        server.on("/", answer)
        yield server


@pytest.fixture
def worker(transactional_db: None, server: HttpServer) -> Iterator[None]:
    """A worker with places for all of them and connections for a few."""
    var = Path(settings.VAR_DIR)
    places = {"WORKER_CONCURRENCY": str(WAITING), "DATABASE_POOL": str(POOL), "OUTBOUND_ALLOW": server.netloc}
    with services.valkey(var), services.worker(var, database_url(), **places):
        yield


def connections() -> int:
    """Those of others to this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        found: int = cursor.fetchone()[0]
    return found


def await_arrivals(server: HttpServer, count: int) -> None:
    deadline = time.monotonic() + 90
    while len(server.arrivals) < count:
        assert time.monotonic() < deadline, f"{len(server.arrivals)} of {count} runs wait"
        time.sleep(0.1)


@pytest.mark.xdist_group("places")
def test_64_runs_wait_on_a_few_connections(
    owner: User, server: HttpServer, worker: None, open_door: threading.Event
) -> None:
    deploy(owner, CODE, tools={"http": ["get"]}, limits={"wall_seconds": 120.0})
    target = actions.find_target(actor=owner, name="echo")
    for _ in range(WAITING):
        actions.submit_ticket(actor=owner, target=target, input=f"{server.url}/")
    await_arrivals(server, WAITING)
    assert Run.objects.filter(status="running").count() == WAITING
    assert connections() <= POOL
    open_door.set()
    deadline = time.monotonic() + 60
    while Run.objects.unfinished().exists():
        assert time.monotonic() < deadline, "they have not ended"
        time.sleep(0.1)
    assert set(Run.objects.values_list("status", "output")) == {("completed", 200)}

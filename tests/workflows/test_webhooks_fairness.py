"""Nobody's webhooks wait for another's backlog: hosts and actors have shares, and actors take turns."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing.models import User
from gofannon.lib import http
from tests.workflows.receivers import over, owed, receiving, sending, soon
from workflows.models import Delivery, Run
from workflows.models.delivery import host_of
from workflows.webhooks import outbox, outcome, sender
from workflows.webhooks.sender import PER_ACTOR, PER_HOST, PLACES, Sender

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _local_receivers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    monkeypatch.setattr(outcome, "BACKOFF_SECONDS", (0.0,))
    yield
    http.close()


@contextmanager
def looking(places: int = PLACES) -> Iterator[Sender]:
    """A sender that looks when it is told to."""
    sender = Sender(places)
    try:
        yield sender
    finally:
        sender.pool.shutdown()


def begun(actor: User) -> int:
    return Delivery.objects.filter(run__actor=actor, attempts=1).count()


def test_no_backlog_is_so_long_that_it_hides_others(
    owner: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "LOOK_AT", PER_HOST)
    with receiving(host="127.0.0.2", held=True) as dead, receiving() as alive:
        stuck = [owed(owner, dead.url) for _ in range(7)]
        others = [owed(who, alive.url) for who in (owner, stranger)]
        with sending():
            assert {over(one).status for one in others} == {"delivered"}
            dead.held.set()
            assert {over(one).status for one in stuck} == {"delivered"}


def test_many_ports_of_one_host_hide_nobodys_deliveries(
    owner: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "LOOK_AT", 5)
    with (
        looking() as looks,
        receiving(host="127.0.0.2", held=True) as one,
        receiving(host="127.0.0.2", held=True) as two,
        receiving() as alive,
    ):
        for url in (one.url, two.url, *(f"http://127.0.0.2:{port}/" for port in range(1, 21))):
            owed(stranger, url)
        mine = owed(owner, alive.url)
        looks.look()
        assert (begun(stranger), begun(owner)) == (PER_HOST, 1)
        assert over(mine).status == "delivered"
        assert looks.look() == 0


def test_many_hosts_of_one_actor_hide_nobodys_deliveries(
    owner: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sender, "LOOK_AT", 5)
    with ExitStack() as stack:
        looks = stack.enter_context(looking())
        dead = [stack.enter_context(receiving(host=f"127.0.0.{n}", held=True)) for n in range(2, 2 + PER_ACTOR)]
        alive = stack.enter_context(receiving())
        for url in (*(one.url for one in dead), *(f"http://127.0.1.{n}:1/" for n in range(1, 21))):
            owed(stranger, url)
        mine = owed(owner, alive.url)
        looks.look()
        assert (begun(stranger), begun(owner)) == (PER_ACTOR, 1)
        assert over(mine).status == "delivered"
        assert looks.look() == 0


def test_whoever_was_just_served_stands_behind_others_at_the_same_host(owner: User, stranger: User) -> None:
    with looking() as looks, receiving(held=True) as shared:
        backlog = [owed(stranger, shared.url) for _ in range(6)]
        assert looks.look() == PER_HOST
        mine = owed(owner, shared.url)
        assert looks.look() == 0
        shared.held.set()
        over(backlog[0])
        over(backlog[1])
        soon(lambda: not looks._under_way)
        shared.held.clear()
        assert looks.look() == PER_HOST
        assert (begun(stranger), begun(owner)) == (PER_HOST + 1, 1)
        shared.held.set()
        assert over(mine).status == "delivered"


def test_of_those_who_are_due_together_each_has_a_turn_first(owner: User, stranger: User) -> None:
    with looking(places=2) as looks, receiving(held=True) as one, receiving(host="127.0.0.2", held=True) as two:
        for url in (one.url, two.url):
            owed(stranger, url)
        owed(owner, two.url)
        assert looks.look() == looks.places
        assert (begun(stranger), begun(owner)) == (1, 1)
        one.held.set()
        two.held.set()


def test_no_more_actors_are_remembered_as_served_than_a_query_may_name(
    monkeypatch: pytest.MonkeyPatch, owner: User, stranger: User, staff: User
) -> None:
    monkeypatch.setattr(sender, "MOST_SERVED", 2)
    with looking() as looks, receiving() as receiver:
        for actor in (owner, stranger, staff):
            over_soon = owed(actor, receiver.url)
            assert looks.look() == 1
            over(over_soon)
            soon(lambda: not looks._under_way)
        assert list(looks._served) == [stranger.pk, staff.pk]


def test_what_is_full_is_left_out_and_nothing_else(owner: User, stranger: User) -> None:
    there = ["https://a.co", "https://a.co:8443/x", "HTTP://A.co.?x", "https://me@a.co#x"]
    elsewhere = ["https://a.com/x", "https://b.a.co/", "https://b.co/?u=https://a.co/", "https://[a.co/"]
    deliveries = {url: owed(owner, url).pk for url in [*there, *elsewhere]}
    nobodys, strangers = owed(None, "https://c.co/").pk, owed(stranger, "https://c.co/").pk
    found = [waiting.id for waiting in outbox.due(20, without_hosts=["a.co"])]
    assert found == [*(deliveries[url] for url in elsewhere), nobodys, strangers]
    assert [waiting.id for waiting in outbox.due(20, without_actors=[owner.pk])] == [nobodys, strangers]
    assert nobodys not in {waiting.id for waiting in outbox.due(20, without_ids=[nobodys])}


@pytest.mark.parametrize(
    ("spelled", "host"),
    [
        ("http://evil.example:8080/x?y#z", "evil.example"),
        ("http://evil.example:080/", "evil.example"),
        ("HTTPS://EVIL.Example/", "evil.example"),
        ("http://evil.example./", "evil.example"),
        ("http://a:b@evil.example/", "evil.example"),
        ("http://good.example@evil.example/", "evil.example"),
        ("http://evil\u3002example/", "evil.example"),
        ("http://B\u00dcCHER.example/", "xn--bcher-kva.example"),
        ("http://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("http://8.8.8.8./", "8.8.8.8"),
        ("http://134744072/", "8.8.8.8"),
        ("http://0x8.8.2056/", "8.8.8.8"),
        ("http://[0:0:0:0:0:ffff:808:808]:1/", "8.8.8.8"),
        ("http://[2001:4860:4860:0::8888]/", "2001:4860:4860::8888"),
        (f"http://{'a' * 300}/", "a" * 255),
        ("http://[::1/", ""),
        ("http://\ud800/", ""),
        ("http:///x", ""),
        ("nonsense", ""),
    ],
)
def test_a_host_is_the_same_however_it_is_spelled(spelled: str, host: str) -> None:
    assert host_of(spelled) == host


def test_looking_among_a_hundred_thousand_deliveries_goes_by_the_index(owner: User) -> None:
    a_hundred_thousand(owner)
    for left_out in ({}, {"without_hosts": ["evil.example"]}, {"without_actors": [owner.pk]}, {"without_ids": ["1"]}):
        with CaptureQueriesContext(connection) as captured:
            outbox.due(20, **left_out)
        assert len(captured) == 1
        plan = planned(captured[0]["sql"])
        assert "delivery_due" in plan
        assert not re.search(r"Seq Scan|SCAN (?!.* USING INDEX)", plan), plan


def planned(query: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"{'EXPLAIN' if connection.vendor == 'postgresql' else 'EXPLAIN QUERY PLAN'} {query}")
        return "\n".join(str(row) for row in cursor.fetchall())


def a_hundred_thousand(owner: User) -> None:
    """Deliveries of one actor to one host, each about a run of its own: 5,000 are due, the others have ended."""
    model = owed(owner, "http://evil.example/")
    of_runs = {"id": "'run_' || n"}
    of_deliveries = {
        "id": "n",
        "run_id": "'run_' || n",
        "status": "CASE WHEN n <= 5000 THEN 'pending' ELSE 'delivered' END",
        "due_at": "CASE WHEN n <= 5000 THEN due_at END",
    }
    for copied, key, others in ((Run, model.run_id, of_runs), (Delivery, model.pk, of_deliveries)):
        columns: list[str] = [str(field.column) for field in copied._meta.concrete_fields]
        names = ", ".join(f'"{name}"' for name in columns)
        values = ", ".join(others.get(name, f'"{name}"') for name in columns)
        with connection.cursor() as cursor:
            cursor.execute(
                f"WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 105000) "
                f"INSERT INTO {copied._meta.db_table} ({names}) "
                f"SELECT {values} FROM {copied._meta.db_table}, numbers WHERE id = %s",
                [key],
            )
            cursor.execute(f"ANALYZE {copied._meta.db_table}")

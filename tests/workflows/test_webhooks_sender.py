"""Whichever worker is there sends, each try once; no receiver holds up another, and no fault ends the sender."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from billing.models import User
from gofannon.lib import http
from gofannon.lib.clock import DatabaseNow
from tests.workflows.receivers import over, owed, receiving, sending, soon, told
from workflows.models import Delivery
from workflows.webhooks import outbox, outcome, rows
from workflows.webhooks.outcome import Outcome
from workflows.webhooks.sender import PER_ACTOR, PER_HOST

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _local_receivers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    monkeypatch.setattr(outcome, "BACKOFF_SECONDS", (0.0,))
    yield
    http.close()


def test_a_receiver_that_does_not_answer_holds_up_no_other(owner: User) -> None:
    with receiving(host="127.0.0.2", held=True) as dead, receiving() as alive, sending():
        stuck = [owed(owner, dead.url) for _ in range(5)]
        soon(lambda: len(dead.arrivals) == PER_HOST)
        assert over(owed(owner, alive.url)).status == "delivered"
        assert len(dead.arrivals) == PER_HOST
        dead.held.set()
        assert {over(one).status for one in stuck} == {"delivered"}


def test_an_actors_dead_receivers_hold_up_nobody_else(owner: User, stranger: User) -> None:
    with (
        receiving(host="127.0.0.2", held=True) as one,
        receiving(host="127.0.0.3", held=True) as two,
        receiving() as alive,
        sending(),
    ):
        stuck = [owed(owner, url) for url in (one.url, one.url, two.url, two.url)]
        soon(lambda: len(one.arrivals) + len(two.arrivals) == PER_ACTOR)
        assert over(owed(stranger, alive.url)).status == "delivered"
        assert len(one.arrivals) + len(two.arrivals) == PER_ACTOR
        one.held.set()
        two.held.set()
        assert {over(delivery).status for delivery in stuck} == {"delivered"}


def test_two_senders_make_one_try_between_them(owner: User) -> None:
    with receiving() as receiver:
        deliveries = [owed(owner, receiver.url) for _ in range(30)]
        with sending(), sending():
            assert {over(delivery).attempts for delivery in deliveries} == {1}
    assert sorted(arrival.headers["webhook-id"] for arrival in receiver.arrivals) == sorted(
        delivery.pk for delivery in deliveries
    )


def test_only_one_takes_a_try(owner: User) -> None:
    delivery = owed(owner, "http://127.0.0.1:1/")
    assert outbox.take(delivery.pk) is not None
    assert outbox.take(delivery.pk) is None
    assert outbox.due(10) == []


def test_a_try_whose_sender_is_lost_is_made_again(owner: User) -> None:
    with receiving() as receiver:
        delivery = owed(owner, receiver.url)
        lost = outbox.take(delivery.pk)
        assert lost is not None
        Delivery.objects.update(due_at=DatabaseNow(-1))
        with sending():
            over(delivery)
    assert (delivery.status, delivery.attempts, told(delivery)) == ("delivered", 2, [None, 200])
    assert not outbox.settle(lost, Outcome(500), 1.0)
    delivery.refresh_from_db()
    assert (delivery.status, told(delivery)) == ("delivered", [None, 200])


def test_tries_whose_senders_are_lost_count(owner: User, settings: Any) -> None:
    settings.WEBHOOK_MAX_TRIES = 1
    delivery = owed(owner, "http://127.0.0.1:1/")
    outbox.take(delivery.pk)
    Delivery.objects.update(due_at=DatabaseNow(-1))
    assert outbox.take(delivery.pk) is None
    delivery.refresh_from_db()
    assert (delivery.status, delivery.attempts, delivery.due_at) == ("failed", 1, None)


def test_a_database_that_fails_ends_no_sender(owner: User, caplog: pytest.LogCaptureFixture) -> None:
    def rename(old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    with receiving() as receiver, sending():
        delivery = owed(owner, receiver.url, due_at=DatabaseNow(600))
        rename("workflows_delivery", "away")
        try:
            rows.bell.set()
            soon(lambda: "will try again" in caplog.text)
        finally:
            rename("away", "workflows_delivery")
        Delivery.objects.update(due_at=DatabaseNow())
        assert over(delivery).status == "delivered"


@pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite's connections cost nobody anything")
def test_no_connection_is_held_while_it_is_sent(owner: User) -> None:
    def others() -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_type = 'client backend'"
            )
            return int(cursor.fetchone()[0])

    before = others()
    with receiving(held=True) as receiver, sending():
        owed(owner, receiver.url)
        soon(lambda: receiver.arrivals)
        soon(lambda: others() == before)
        receiver.held.set()

"""News of events: told after the commit, the newest of each run, and never at the cost of who tells them."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.db import transaction
from redis import Redis

from tests.gofannon.streaming import broker, until
from workflows import bus

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ear(transactional_db: None) -> Iterator[Any]:
    """Hears every run's channel."""
    with broker(), Redis.from_url(settings.REDIS_URL) as client, client.pubsub(ignore_subscribe_messages=True) as ear:
        ear.psubscribe(bus.channel("r*"))
        until(lambda: ear.get_message() is None and ear.subscribed, "the subscription")
        yield ear


def heard(ear: Any) -> str:
    message = until(lambda: ear.get_message(timeout=0.05), "news")
    run_id, _, _ = text = message["data"].decode().partition(" ")
    assert message["channel"].decode() == f"gofannon:events:{run_id}"
    return "".join(text)


def test_news_are_the_runs_id_and_its_last_seq(ear: Any) -> None:
    bus.announce("r1", 3)
    assert heard(ear) == "r1 3"


def test_news_wait_for_the_commit(ear: Any) -> None:
    with transaction.atomic():
        bus.announce("r1", 3)
        bus.announce("r2", 1)
        with transaction.atomic(savepoint=False):
            bus.announce("r1", 4)
        assert ear.get_message(timeout=0.05) is None
    assert {heard(ear), heard(ear)} <= {"r1 3", "r1 4", "r2 1"}


def test_what_is_rolled_back_is_no_news(ear: Any) -> None:
    with transaction.atomic():
        bus.announce("r1", 3)
        transaction.set_rollback(True)
    bus.announce("r2", 1)
    assert heard(ear) == "r2 1"


def test_of_many_news_of_a_run_the_last_is_told(ear: Any) -> None:
    for seq in range(1, 2000):
        bus.announce("r1", seq)
    told = [heard(ear)]
    while told[-1] != "r1 1999":
        told.append(heard(ear))
    assert len(told) < 1999
    assert told == sorted(told, key=lambda text: int(text.split()[1]))


def test_without_a_broker_news_are_dropped_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bus, "MAX_PENDING", 100)
    for number in range(1000):
        bus.announce(f"run{number}", 1)
    assert len(bus._pending) <= 100
    until(lambda: not bus._pending, "the thread to have given up")
    with broker():  # which waits until news are told again
        assert bus._thread is not None
        assert bus._thread.is_alive()

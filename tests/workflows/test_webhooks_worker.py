"""Webhooks are sent by worker processes, and one that dies in the middle loses nothing."""

from pathlib import Path
from typing import Any

import pytest

from billing.models import User
from gofannon.lib import http
from gofannon.lib.clock import DatabaseNow
from tests import services
from tests.conftest import database_url
from tests.workflows.receivers import over, owed, receiving, sending, soon, told
from workflows.models import Delivery


@pytest.mark.xdist_group("worker")
@pytest.mark.django_db(transaction=True)
def test_what_a_killed_worker_was_sending_is_sent_again(owner: User, settings: Any) -> None:
    settings.OUTBOUND_ALLOW = ["127.0.0.1"]
    var = Path(settings.VAR_DIR)
    with receiving(held=True) as receiver, services.valkey(var):
        delivery = owed(owner, receiver.url)
        with services.worker(var, database_url(), OUTBOUND_ALLOW="127.0.0.1") as worker:
            soon(lambda: receiver.arrivals, seconds=60)
            worker.kill()
            worker.wait()
        delivery.refresh_from_db()
        assert (delivery.status, delivery.attempts, told(delivery)) == ("pending", 1, [None])
        receiver.held.set()
        Delivery.objects.update(due_at=DatabaseNow(-1))  # as it is once the try counts as lost
        with sending():
            over(delivery)
    http.close()
    assert (delivery.status, delivery.attempts, told(delivery)) == ("delivered", 2, [None, 200])
    assert [arrival.headers["webhook-id"] for arrival in receiver.arrivals] == [delivery.pk] * 2

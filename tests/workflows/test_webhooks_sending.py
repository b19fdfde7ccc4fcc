"""What a receiver is told, by which signature, and how often."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from rest_framework.test import APIClient

from billing import webhook_secrets
from billing.models import User, WebhookSecret
from gofannon.lib import http
from gofannon.lib.clock import DatabaseNow
from tests.factories.runs import deploy
from tests.workflows.receivers import Answer, believed, finished_run, over, owed, receiving, sending, told
from workflows import transitions
from workflows.models import Delivery, Status
from workflows.webhooks import outcome, rows

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _local_receivers(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    settings.OUTBOUND_ALLOW = ["127.0.0.0/8"]
    monkeypatch.setattr(outcome, "BACKOFF_SECONDS", (0.0,))
    yield
    http.close()


def test_a_delivery_arrives_signed(owner: User) -> None:
    _, secret = webhook_secrets.rotate_secret(user=owner)
    with receiving() as receiver, sending():
        delivery = over(owed(owner, receiver.url))
    [arrival] = receiver.arrivals
    assert believed(arrival, secret)
    assert not believed(arrival._replace(body=arrival.body + b" "), secret)
    assert (arrival.headers["webhook-id"], arrival.headers["user-agent"]) == (delivery.pk, "Gofannon")
    assert arrival.headers["content-type"] == "application/json"
    assert (delivery.status, delivery.attempts, delivery.due_at, told(delivery)) == ("delivered", 1, None, [200])
    assert delivery.delivered_at is not None
    assert set(delivery.log[0]) == {"at", "status", "seconds"}


def test_a_rotated_secret_is_believed_beside_its_successor(owner: User) -> None:
    old, new = (webhook_secrets.rotate_secret(user=owner)[1] for _ in range(2))
    with receiving() as receiver, sending():
        over(owed(owner, receiver.url))
    assert believed(receiver.arrivals[0], old)
    assert believed(receiver.arrivals[0], new)


def test_past_its_day_a_rotated_secret_signs_no_more(owner: User) -> None:
    old, new = (webhook_secrets.rotate_secret(user=owner)[1] for _ in range(2))
    WebhookSecret.objects.update(previous_until=timezone.now())
    with receiving() as receiver, sending():
        over(owed(owner, receiver.url))
    assert not believed(receiver.arrivals[0], old)
    assert believed(receiver.arrivals[0], new)


def test_an_actor_without_a_secret_gets_one_with_the_first_delivery(owner: User) -> None:
    with receiving() as receiver, sending():
        over(owed(owner, receiver.url))
    assert receiver.arrivals[0].headers["webhook-signature"].startswith("v1,")
    assert WebhookSecret.objects.get().user == owner


def test_a_ticket_is_told_as_the_api_shows_it(api: APIClient, owner: User) -> None:
    deploy(owner, runtime="monty")
    with receiving() as receiver, sending():
        made = api.post("/api/tickets", {"agent_id": "echo", "webhook_url": receiver.url}).json()
        run = transitions.claim_run(made["run_id"])
        assert run is not None
        transitions.complete_run(run, output={"n": "é\u2028"})
        delivery = over(Delivery.objects.get())
    shown = api.get(f"/api/tickets/{made['_id']}").json()
    assert shown["result"]["output"] == {"n": "é\u2028"}
    assert json.loads(receiver.arrivals[0].body) == {
        "id": delivery.pk,
        "type": "ticket.completed",
        "timestamp": shown["result"]["completed_at"],
        "data": shown,
    }


def test_a_ticket_that_is_cancelled_before_it_ran_is_told_of_too(api: APIClient, owner: User) -> None:
    deploy(owner, runtime="monty")
    with receiving() as receiver, sending():
        made = api.post("/api/tickets", {"agent_id": "echo", "webhook_url": receiver.url}).json()
        api.post(f"/api/tickets/{made['_id']}/cancel")
        over(Delivery.objects.get())
    body = json.loads(receiver.arrivals[0].body)
    assert (body["type"], body["data"]["error"]["code"]) == ("ticket.failed", "cancelled")


@pytest.mark.parametrize(
    ("status", "ending"),
    [(Status.COMPLETED, "completed"), (Status.FAILED, "failed"), (Status.CANCELLED, "failed")],
)
def test_a_run_without_a_document_speaks_for_itself(owner: User, status: Status, ending: str) -> None:
    error = None if status == Status.COMPLETED else {"code": "code_error", "message": "no", "permanent": True}
    run = finished_run(owner, status, output=[1], error=error, cost_nano=2_500_000_000)
    with receiving() as receiver, sending():
        over(owed(owner, receiver.url, run=run))
    body = json.loads(receiver.arrivals[0].body)
    assert body["type"] == f"run.{ending}"
    assert body["data"] == {
        "run_id": run.pk,
        "kind": "code",
        "status": status.value,
        "output": [1],
        "error": error,
        "cost": 2.5,
        "finished_at": body["timestamp"],
    }


def test_it_is_tried_with_the_same_body_until_the_receiver_has_heard_it(owner: User) -> None:
    with receiving(lambda number: Answer(500 if number < 2 else 204)) as receiver, sending():
        delivery = over(owed(owner, receiver.url))
    assert (delivery.status, delivery.attempts, told(delivery)) == ("delivered", 3, [500, 500, 204])
    assert len({(arrival.body, arrival.headers["webhook-id"]) for arrival in receiver.arrivals}) == 1


def test_after_the_last_try_it_is_given_up(owner: User, settings: Any) -> None:
    settings.WEBHOOK_MAX_TRIES = 3
    with receiving(lambda number: Answer(503)) as receiver, sending():
        delivery = over(owed(owner, receiver.url))
    assert (delivery.status, delivery.due_at, told(delivery)) == ("failed", None, [503] * 3)
    assert len(receiver.arrivals) == 3


def test_a_receiver_that_is_gone_is_told_nothing_more(owner: User) -> None:
    with receiving(lambda number: Answer(410)) as receiver, sending():
        delivery = over(owed(owner, receiver.url))
    assert (delivery.status, told(delivery)) == ("failed", [410])


def test_a_redirect_is_not_followed(owner: User, settings: Any) -> None:
    settings.WEBHOOK_MAX_TRIES = 1
    with (
        receiving() as elsewhere,
        receiving(lambda number: Answer(307, {"Location": elsewhere.url})) as receiver,
        sending(),
    ):
        delivery = over(owed(owner, receiver.url))
    assert (delivery.status, told(delivery), elsewhere.arrivals) == ("failed", [307], [])


def test_a_private_address_is_refused_for_good(owner: User, settings: Any) -> None:
    settings.OUTBOUND_ALLOW = []
    with receiving() as receiver, sending():
        delivery = over(owed(owner, receiver.url))
    assert (delivery.status, told(delivery), receiver.arrivals) == ("failed", ["address_refused"], [])


def test_a_yes_with_a_long_answer_is_a_yes(owner: User) -> None:
    with receiving(lambda number: Answer(200, body=b"x" * 100_000)) as receiver, sending():
        delivery = over(owed(owner, receiver.url))
    assert (delivery.status, told(delivery)) == ("delivered", [200])
    assert "x" * 10 not in json.dumps(delivery.log)


def test_a_receiver_that_does_not_listen_is_tried_again(owner: User, settings: Any) -> None:
    settings.WEBHOOK_MAX_TRIES = 2
    with receiving() as receiver:
        url = receiver.url
    with sending():
        delivery = over(owed(owner, url))
    assert (delivery.status, told(delivery)) == ("failed", ["connect_failed"] * 2)


def test_nothing_goes_out_for_those_who_have_left(owner: User) -> None:
    User.objects.update(is_active=False)
    with receiving() as receiver, sending():
        delivery = over(owed(owner, receiver.url))
        nobodys = over(owed(None, receiver.url))
    assert (told(delivery), told(nobodys), receiver.arrivals) == (["no_actor"], ["no_actor"], [])
    assert not WebhookSecret.objects.exists()


def test_what_is_not_due_waits(owner: User) -> None:
    with receiving() as receiver, sending():
        later = owed(owner, receiver.url, due_at=DatabaseNow(600))
        over(owed(owner, receiver.url))
    later.refresh_from_db()
    assert (later.status, later.attempts, len(receiver.arrivals)) == ("pending", 0, 1)


def test_a_delivery_stands_or_falls_with_the_transaction_of_its_run(owner: User) -> None:
    run = finished_run(owner, webhook_url="https://example.org/hook")
    rows.bell.clear()
    try:
        with transaction.atomic():
            rows.add(run)
            raise LookupError
    except LookupError:
        assert not Delivery.objects.exists()
        assert not rows.bell.is_set()
    with transaction.atomic():
        rows.add(run)
        assert not rows.bell.is_set()
    assert rows.bell.is_set()
    assert Delivery.objects.get().url == run.webhook_url
    rows.add(finished_run(owner))
    assert Delivery.objects.count() == 1

"""A user's webhook secret: shown once, rotated with an overlap, forgotten."""

import base64
import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from rest_framework.test import APIClient

from billing import actions, webhook_secrets
from billing.models import User, WebhookSecret
from gofannon.lib import crypto

pytestmark = pytest.mark.django_db

URL = "/api/users/me/webhook-secret"


def make(api: APIClient, **headers: str) -> dict[str, Any]:
    response = api.post(URL, headers=headers)
    assert response.status_code == 201, response.json()
    body: dict[str, Any] = response.json()
    return body


def test_the_secret_is_shown_once(api: APIClient, owner: User) -> None:
    assert api.get(URL).status_code == 404
    made = make(api)
    secret = made.pop("secret")
    assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
    assert made == {"hint": f"whs...{secret[-4:]}", "created_at": made["created_at"], "previous_until": None}
    assert api.get(URL).json() == made
    assert crypto.reveal(WebhookSecret.objects.get(user=owner).value) == secret


def test_a_rotation_keeps_the_one_before_for_a_day(api: APIClient) -> None:
    first, second = make(api)["secret"], make(api)
    stored = WebhookSecret.objects.get()
    assert stored.previous is not None
    assert stored.previous_until is not None
    assert (crypto.reveal(stored.previous), crypto.reveal(stored.value)) == (first, second["secret"])
    assert timedelta(hours=23) < stored.previous_until - timezone.now() <= timedelta(hours=24)
    assert api.get(URL).json()["previous_until"] == second["previous_until"]
    third = make(api)["secret"]
    stored.refresh_from_db()
    assert (crypto.reveal(stored.previous), crypto.reveal(stored.value)) == (second["secret"], third)


def test_past_its_day_the_one_before_is_told_of_no_more(api: APIClient) -> None:
    make(api), make(api)
    WebhookSecret.objects.update(previous_until=timezone.now())
    assert api.get(URL).json()["previous_until"] is None


def test_a_rotation_that_is_sent_twice_is_one_and_shows_no_secret_again(api: APIClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = make(api, **headers)
    again = api.post(URL, headers=headers)
    assert first.pop("secret")
    assert (again.status_code, again["Idempotent-Replay"], again.json()) == (201, "true", first)


def test_a_rotation_takes_no_body(api: APIClient) -> None:
    error = api.post(URL, {"secret": "whsec_mine"}).json()["error"]
    assert (error["code"], error["path"]) == ("unknown_field", "secret")
    assert not WebhookSecret.objects.exists()


def test_a_deleted_secret_is_gone_with_the_one_before(api: APIClient) -> None:
    make(api), make(api)
    assert api.delete(URL).status_code == 204
    assert not WebhookSecret.objects.exists()
    assert (api.delete(URL).status_code, api.get(URL).status_code) == (404, 404)
    assert make(api)["previous_until"] is None


def test_it_is_the_callers_own(api: APIClient, stranger: User, staff: User, as_: Any) -> None:
    make(api)
    assert [as_(user).get(URL).status_code for user in (stranger, staff, None)] == [404, 404, 401]
    assert as_(staff).delete(URL).status_code == 404
    assert WebhookSecret.objects.count() == 1


@pytest.mark.parametrize(("scope", "reads", "writes"), [("read", 200, 403), ("run", 403, 403), ("write", 403, 201)])
def test_a_key_needs_write_to_rotate(owner: User, scope: str, reads: int, writes: int) -> None:
    webhook_secrets.rotate_secret(user=owner)
    _, key = actions.create_access_key(user=owner, name="laptop", scopes=[scope])
    client, headers = APIClient(), {"Authorization": f"Bearer {key}"}
    assert client.get(URL, headers=headers).status_code == reads
    assert client.post(URL, headers=headers).status_code == writes
    assert client.delete(URL, headers=headers).status_code == (204 if writes == 201 else 403)


def test_rows_print_no_secret(owner: User) -> None:
    secret, text = webhook_secrets.rotate_secret(user=owner)
    printed = f"{secret!r} {secret} {secret.value!r} {WebhookSecret.objects.values().get()}"
    assert text not in printed
    assert text.removeprefix("whsec_") not in printed


def test_whoever_leaves_takes_it_along(api: APIClient, owner: User) -> None:
    make(api)
    assert api.delete("/api/users/me").status_code == 204
    assert not WebhookSecret.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_rotations_at_once_both_secrets_sign(owner: User) -> None:
    gate, made = threading.Barrier(2), []

    def rotate() -> None:
        gate.wait()
        try:
            made.append(webhook_secrets.rotate_secret(user=owner)[1])
        finally:
            connections.close_all()

    threads = [threading.Thread(target=rotate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    stored = WebhookSecret.objects.get()
    assert stored.previous is not None
    assert {crypto.reveal(stored.value), crypto.reveal(stored.previous)} == set(made)

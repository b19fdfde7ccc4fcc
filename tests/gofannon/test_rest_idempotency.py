import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connections
from rest_framework.test import APIClient

from agents.models import Skill
from billing import idempotency
from billing.models import IdempotencyKey, User
from tests.conftest import client_of

KEY = {"Idempotency-Key": "k"}


def together(work: Callable[[], Any], count: int) -> list[Any]:
    """What `work` returns in `count` threads that start at the same moment."""
    gate, found = threading.Barrier(count), []

    def run() -> None:
        gate.wait()
        try:
            found.append(work())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


@pytest.mark.django_db(transaction=True)
def test_two_at_once_make_one_document(owner: User) -> None:
    def post() -> Any:
        return client_of(owner).post("/api/skills", {"name": "x"}, headers=KEY)

    answers = together(post, 2)
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = [answer.json()["_id"] for answer in answers if answer.status_code == 201]
    assert made
    assert set(made) == {Skill.objects.get().pk}
    again = post().json()
    assert again == {**again, "_id": made[0]}


@pytest.mark.django_db
class TestOneAfterTheOther:
    def test_the_second_gets_the_document_as_it_stands(self, api: APIClient) -> None:
        made = api.post("/api/skills", {"name": "x"}, headers=KEY).json()
        api.patch(f"/api/skills/{made['_id']}", {"name": "y"})
        again = api.post("/api/skills", {"name": "x"}, headers=KEY)
        assert (again.status_code, again.json()["name"], again["Idempotent-Replay"]) == (201, "y", "true")

    def test_another_body_is_422(self, api: APIClient) -> None:
        api.post("/api/skills", {"name": "x"}, headers=KEY)
        response = api.post("/api/skills", {"name": "y"}, headers=KEY)
        assert (response.status_code, response.json()["error"]["code"]) == (422, "idempotency_mismatch")

    def test_a_refused_body_keeps_no_key(self, api: APIClient) -> None:
        assert api.post("/api/skills", {}, headers=KEY).status_code == 400
        api.post("/api/skills", {"name": "taken"})
        assert api.post("/api/skills", {"name": "taken"}, headers=KEY).status_code == 409
        assert not IdempotencyKey.objects.exists()
        assert api.post("/api/skills", {"name": "x"}, headers=KEY).status_code == 201

    def test_a_key_is_its_users_own(self, api: APIClient, stranger: User) -> None:
        first = api.post("/api/skills", {"name": "x"}, headers=KEY)
        other = client_of(stranger).post("/api/skills", {"name": "x"}, headers=KEY)
        assert (first.status_code, other.status_code) == (201, 201)
        assert first.json()["_id"] != other.json()["_id"]

    def test_a_key_is_of_one_path(self, api: APIClient) -> None:
        assert api.post("/api/skills", {"name": "x"}, headers=KEY).status_code == 201
        assert api.post("/api/teams", {"name": "x"}, headers=KEY).status_code == 201

    def test_a_key_is_forgotten_after_a_day(self, api: APIClient) -> None:
        api.post("/api/skills", {"name": "x"}, headers=KEY)
        row = IdempotencyKey.objects.get()
        IdempotencyKey.objects.update(created_at=row.created_at - idempotency.KEPT)
        assert api.post("/api/skills", {"name": "y"}, headers=KEY).status_code == 201
        IdempotencyKey.objects.update(created_at=row.created_at - idempotency.KEPT)
        assert (idempotency.forget_old(), IdempotencyKey.objects.count()) == (1, 0)

    def test_what_was_deleted_since_is_gone(self, api: APIClient) -> None:
        made = api.post("/api/skills", {"name": "x"}, headers=KEY).json()
        api.delete(f"/api/skills/{made['_id']}")
        assert api.post("/api/skills", {"name": "x"}, headers=KEY).status_code == 410

    @pytest.mark.parametrize("key", ["", "x" * 256, "tab\there", "ü"])
    def test_a_bad_key_is_refused(self, api: APIClient, key: str) -> None:
        response = api.post("/api/skills", {"name": "x"}, headers={"Idempotency-Key": key})
        assert (response.status_code, response.json()["error"]["path"]) == (400, "Idempotency-Key")

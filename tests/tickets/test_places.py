"""Nobody takes more than their share of the threads in which a web process waits for runs."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import User
from tests.factories.runs import deploy
from tickets.api.places import place_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def one_each(settings: Any) -> None:
    settings.RUN_THREADS_PER_USER = 1


def test_a_run_beyond_them_is_answered_at_once(api: APIClient, owner: User) -> None:
    deploy(owner, runtime="monty")
    with place_of(owner.pk):
        assert api.post("/api/agents/echo/run", {"input": 1}).status_code == 202
    assert api.post("/api/agents/echo/run", {"input": 1}).status_code == 200


def test_other_users_have_theirs(api: APIClient, owner: User, stranger: User) -> None:
    deploy(owner, runtime="monty")
    with place_of(stranger.pk):
        assert api.post("/api/agents/echo/run", {"input": 1}).status_code == 200

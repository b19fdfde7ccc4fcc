"""The newest rows of a growing array come back with a document, although rows may have been appended since."""

import time
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import User
from tests.factories.billing import spend

pytestmark = pytest.mark.django_db


def put_back(api: APIClient, usage: list[Any]) -> int:
    status: int = api.patch("/api/users/me", {"usage_info": {"usage": usage}}).status_code
    return status


def shown(api: APIClient) -> list[Any]:
    usage: list[Any] = api.get("/api/users/me").json()["usage_info"]["usage"]
    return usage


def test_a_window_comes_back_that_has_slid(api: APIClient, owner: User) -> None:
    spend(owner, 100)
    read = shown(api)
    for count in (0, 30, 69):
        spend(owner, count)
        assert put_back(api, read) == 200
    spend(owner, 1)
    assert put_back(api, read) == 400


def test_equal_rows_slide_too(api: APIClient, owner: User) -> None:
    spend(owner, 50, timestamp="2026-01-01T00:00:00Z")
    read = shown(api)
    assert [put_back(api, read[:count]) for count in (50, 49, 1, 0)] == [200, 200, 200, 200]
    assert put_back(api, [*read, read[0]]) == 200
    assert put_back(api, [*read, {**read[0], "response_cost": 7}]) == 400


def test_more_rows_than_are_ever_shown_are_refused_at_once(api: APIClient, owner: User) -> None:
    spend(owner, 100)
    first = shown(api)[0]
    started = time.monotonic()
    assert put_back(api, [0] * 40_000) == 400
    assert put_back(api, [*[0] * 100, first]) == 400
    assert time.monotonic() - started < 5

from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import User
from tests.factories.billing import UserFactory, spend

pytestmark = pytest.mark.django_db


def test_an_entry_names_its_agent_and_session_only_where_it_has_them(api: APIClient, owner: User) -> None:
    spend(owner, 1, cost_nano=50_000_000, agent_id="a1")
    (entry,) = api.get("/api/users/me").json()["usage_info"]["usage"]
    assert entry.pop("timestamp").startswith("2026-01-01T")
    assert entry == {"response_cost": 0.05, "agent_id": "a1"}


def test_a_document_shows_the_newest_hundred_in_order(api: APIClient, owner: User) -> None:
    spend(owner, 250)
    usage = api.get("/api/users/me").json()["usage_info"]["usage"]
    stored = owner.usage.order_by("seq")[150:]
    assert [entry["timestamp"][:19] for entry in usage] == [f"{row.timestamp:%Y-%m-%dT%H:%M:%S}" for row in stored]
    assert list(owner.usage.order_by("seq").values_list("seq", flat=True)) == list(range(1, 251))


@pytest.mark.parametrize("start", ["/api/users/me/usage", "/api/users/{}/usage"])
def test_pages_show_all_entries_once(api: APIClient, owner: User, start: str) -> None:
    spend(owner, 250)
    seen: list[dict[str, Any]] = []
    url = start.format(owner.pk)
    while url:
        page = api.get(url).json()
        seen += page["results"]
        url = page["next"]
    assert len(seen) == 250
    assert seen == sorted(seen, key=lambda entry: entry["timestamp"])
    assert seen[150:] == api.get("/api/users/me").json()["usage_info"]["usage"]


def test_a_list_of_users_costs_the_same_at_any_length(staff: User, as_: Any, django_assert_num_queries: Any) -> None:
    client = as_(staff)
    for count in (1, 120, 3):
        spend(UserFactory.create(), count)
    with django_assert_num_queries(3):
        assert len(client.get("/api/users").json()["results"]) == 4
    UserFactory.create_batch(10)
    with django_assert_num_queries(3):
        lengths = [len(row["usage_info"]["usage"]) for row in client.get("/api/users").json()["results"]]
    assert sorted(lengths)[-3:] == [1, 3, 100]


def test_a_page_of_usage_costs_two_queries(api: APIClient, owner: User, django_assert_num_queries: Any) -> None:
    spend(owner, 250)
    with django_assert_num_queries(2):
        assert len(api.get("/api/users/me/usage?limit=200").json()["results"]) == 200


def test_what_was_read_before_an_append_can_be_put_back(api: APIClient, owner: User) -> None:
    spend(owner, 120)
    read = api.get("/api/users/me").json()
    spend(owner, 5)
    assert api.put("/api/users/me", read).status_code == 200
    read["usage_info"]["usage"][99]["response_cost"] = 0
    response = api.put("/api/users/me", {**read, "version": 2, "updated_at": None})
    assert response.status_code == 400


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=201", "cursor=x", "cursor=W2ZhbHNlLEluZmluaXR5LDFd"])
def test_a_bad_page_is_refused(api: APIClient, query: str) -> None:
    assert api.get(f"/api/users/me/usage?{query}").status_code == 400

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from agents.models import Skill
from billing.models import User

pytestmark = pytest.mark.django_db

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def skills(owner: User, count: int) -> list[str]:
    """Ids of skills that were all made at the same instant."""
    rows = [Skill(id=f"skill_{n:05}", name=f"s{n}", owner=owner, created_at=NOON) for n in range(count)]
    return [row.pk for row in Skill.objects.bulk_create(rows)]


def walk(api: APIClient, url: str | None, link: str = "next") -> tuple[list[str], dict[str, Any]]:
    seen: list[str] = []
    page: dict[str, Any] = {}
    while url:
        page = api.get(url).json()
        ids = [row["_id"] for row in page["results"]]
        seen = seen + ids if link == "next" else ids + seen
        url = page[link]
    return seen, page


@pytest.mark.parametrize("ordering", ["created_at", "-created_at"])
def test_equal_values_page_right_both_ways(api: APIClient, owner: User, ordering: str) -> None:
    made = skills(owner, 2500)
    expected = made if ordering == "created_at" else made[::-1]
    forth, last = walk(api, f"/api/skills?limit=200&ordering={ordering}")
    assert forth == expected
    back, _ = walk(api, last["previous"], "previous")
    assert back == expected[:2400]


def test_a_row_that_comes_or_goes_moves_no_page(api: APIClient, owner: User) -> None:
    made = skills(owner, 6)
    page = api.get("/api/skills?limit=3&ordering=created_at").json()
    Skill.objects.filter(pk=made[0]).delete()
    assert [row["_id"] for row in api.get(page["next"]).json()["results"]] == made[3:]


@pytest.mark.parametrize("name", ["a\u3000b", "tab\tbed", "quote'\"", "😀", "100%_"])
def test_any_name_can_be_an_edge(api: APIClient, name: str) -> None:
    for given in (name, "zzz", "\U0001f680"):
        api.post("/api/skills", {"name": given})
    names, url = [], "/api/skills?limit=1&ordering=name"
    while url:
        page = api.get(url).json()
        names += [row["name"] for row in page["results"]]
        url = page["next"]
    assert sorted(names) == sorted([name, "zzz", "\U0001f680"])


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=ten",
        "limit=000000100999999",
        "limit=00100",
        f"limit=000000100{'9' * 5000}",
        "ordering=colour",
        "ordering=owner__password",
        "ordering=--name",
        "cursor=x",
        "cursor=%00",
        f"cursor={cursor(False, 'never', 'x')}",
        f"cursor={cursor(False, 1, 'x')}",
        f"cursor={cursor(False, None, 'x')}",
        f"cursor={cursor(False, '0001-01-01T00:00:00+23:59', 'x')}",
        f"cursor={cursor(False, '9999-12-31T23:59:59-23:59', 'x')}",
        f"cursor={cursor('no', 'x', 'x')}",
        f"cursor={cursor(False, chr(0), 'x')}",
        f"ordering=name&cursor={cursor(False, chr(0xD800), 'x')}",
        f"cursor={cursor([], {}, [])}",
    ],
)
def test_a_bad_page_is_refused(api: APIClient, query: str) -> None:
    response = api.get(f"/api/skills?{query}")
    assert response.status_code == 400
    assert response.json()["error"]["path"] == query.split("&")[-1].split("=")[0]


def test_an_unknown_parameter_is_refused(api: APIClient) -> None:
    response = api.get("/api/skills?colour=red")
    assert response.status_code == 400
    assert (response.json()["error"]["code"], response.json()["error"]["path"]) == ("unknown_parameter", "colour")


@pytest.mark.parametrize("query", ["visibility=secret", "name=%00", "tag=%00"])
def test_a_bad_filter_is_refused(api: APIClient, query: str) -> None:
    response = api.get(f"/api/skills?{query}")
    assert response.status_code == 400
    assert response.json()["error"]["path"] == query.split("=")[0]

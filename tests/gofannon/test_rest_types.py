"""The wire contract takes JSON's types as they are; nothing is converted."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from agents.models import Skill
from billing.models import User
from tests.factories.runs import make_agent

pytestmark = pytest.mark.django_db


def errors(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 400, response.json()
    error = response.json()["error"]
    return [(each["path"], each["code"]) for each in error.get("errors", [error])]


@pytest.mark.parametrize("name", [5, 1.5, True, ["x"], {"x": 1}])
def test_a_text_is_a_string(api: APIClient, name: object) -> None:
    assert errors(api.post("/api/skills", {"name": name})) == [("name", "invalid")]
    assert errors(api.post("/api/access-keys", {"name": name})) == [("name", "invalid")]
    assert not Skill.objects.exists()


def test_a_list_of_names_holds_strings(api: APIClient) -> None:
    assert errors(api.post("/api/skills", {"name": "x", "tags": ["a", 5, "b", True]})) == [
        ("tags[1]", "invalid"),
        ("tags[3]", "invalid"),
    ]


@pytest.mark.parametrize("caveman", ["true", "false", 1, 0, "yes"])
def test_a_flag_is_true_or_false(api: APIClient, owner: User, caveman: object) -> None:
    body = {"agent_id": make_agent(owner).pk, "caveman": caveman}
    assert errors(api.post("/api/workflows", body)) == [("caveman", "invalid")]


@pytest.mark.parametrize("turns", ["5", True, 1.0, 1.5])
def test_a_count_is_a_whole_number(api: APIClient, owner: User, turns: object) -> None:
    body = {"agent_id": make_agent(owner).pk, "max_turns": turns}
    assert errors(api.post("/api/workflows", body)) == [("max_turns", "invalid")]


def test_nested_objects_and_actions_are_as_strict(api: APIClient, owner: User) -> None:
    assert errors(api.patch("/api/users/me", {"basic_info": {"display_name": 5}})) == [
        ("basic_info.display_name", "invalid")
    ]
    assert errors(api.put("/api/users/me/api-keys/openai", {"value": 10**20})) == [("value", "invalid")]
    deploy = api.post(f"/api/agents/{make_agent(owner).pk}/deploy", {"name": 5})
    assert errors(deploy) == [("name", "invalid")]


def test_wrong_types_are_told_along_with_what_else_is_wrong(api: APIClient) -> None:
    body = {"name": 5, "visibility": "secret", "tags": [1]}
    assert sorted(errors(api.post("/api/skills", body))) == [
        ("name", "invalid"),
        ("tags[0]", "invalid"),
        ("visibility", "invalid_choice"),
    ]

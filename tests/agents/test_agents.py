from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from agents import assembly
from agents.models import Agent
from billing.models import Team, User
from tests.factories.runs import make_agent

pytestmark = pytest.mark.django_db

WRITABLE: dict[str, Any] = {
    "name": "MyAgent",
    "description": "Description of what agent does ",
    "code": "def handler(event):\n return {}\n",
    "friendly_name": "my-agent",
    "tools": {"web": ["web_search", "web_fetch"], "data": ["sql_query"]},
    "input_schema": {"query": "string", "max_results": "integer"},
    "output_schema": {"results": "array", "count": "integer"},
    "system_prompt": "  be brief\n",
    "model": "openai/gpt-4.1",
    "mcp_server_tags": ["b", "a"],
    "skill_tags": ["s"],
    "knowledge_tags": ["k"],
    "guardrail_tags": ["g"],
    "runtime": "monty",
    "limits": {"wall_seconds": 5, "memory_bytes": 67108864},
    "visibility": "public",
}


def test_every_writable_field_is_stored_by_post(api: APIClient) -> None:
    response = api.post("/api/agents", WRITABLE)
    assert response.status_code == 201, response.json()
    made = response.json()
    assert {name: made[name] for name in WRITABLE} == WRITABLE
    assert response["ETag"] == '"1"'
    assert api.get(f"/api/agents/{made['_id']}").json() == made


def test_parts_are_named_by_id_in_order(api: APIClient) -> None:
    first = api.post("/api/skills", {"name": "one"}).json()["_id"]
    second = api.post("/api/skills", {"name": "two"}).json()["_id"]
    callee = api.post("/api/agents", {"name": "callee"}).json()["_id"]
    given = {"name": "a", "skill_ids": [second, first], "gofannon_agents": [callee]}
    made = api.post("/api/agents", given).json()
    assert (made["skill_ids"], made["gofannon_agents"]) == ([second, first], [callee])


@pytest.mark.parametrize(
    "field", ["mcp_server_ids", "skill_ids", "knowledge_source_ids", "guardrail_ids", "gofannon_agents"]
)
def test_an_unknown_part_is_refused_with_its_place(api: APIClient, field: str) -> None:
    response = api.post("/api/agents", {"name": "a", field: ["nobody"]})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["path"]) == (400, "unknown_reference", f"{field}[0]")
    assert not Agent.objects.exists()


def test_a_strangers_private_part_is_unknown(api: APIClient, stranger: User, as_: Any) -> None:
    theirs = as_(stranger).post("/api/skills", {"name": "secret"}).json()["_id"]
    response = api.post("/api/agents", {"name": "a", "skill_ids": [theirs]})
    assert response.json()["error"]["code"] == "unknown_reference"


@pytest.mark.parametrize(
    ("body", "code", "path"),
    [
        ({}, "required", "name"),
        ({"name": ""}, "blank", "name"),
        ({"name": 5.5, "colour": 1}, "unknown_field", "colour"),
        ({"name": "a", "code": ["x"]}, "invalid", "code"),
        ({"name": "a", "tools": {"web": "x"}}, "invalid", "tools.web"),
        ({"name": "a", "tools": []}, "invalid", "tools"),
        ({"name": "a", "friendly_name": "No Spaces"}, "invalid_name", "friendly_name"),
        ({"name": "a", "runtime": "java"}, "invalid_choice", "runtime"),
        ({"name": "a", "limits": {"wall_seconds": -1}}, "invalid", "limits.wall_seconds"),
        ({"name": "a", "limits": {"walls": 1}}, "unknown_field", "limits.walls"),
        ({"name": "a", "limits": {"wall_seconds": 80000}}, "over_limit", "limits.wall_seconds"),
        ({"name": "a", "input_schema": {"query": "strin"}}, "invalid_schema", "input_schema.query"),
        ({"name": "a", "output_schema": {"type": "nothing"}}, "invalid_schema", "output_schema.type"),
        ({"name": "a", "mcp_server_tags": ["x", "x"]}, "duplicate", "mcp_server_tags"),
        ({"name": "a", "mcp_server_tags": "x"}, "invalid", "mcp_server_tags"),
        ({"name": "a", "visibility": "all"}, "invalid_choice", "visibility"),
        ({"name": "a", "_id": "mine"}, "read_only", "_id"),
        ({"name": "x" * 256}, "max_length", "name"),
    ],
)
def test_wrong_input_is_refused_by_code_and_path(api: APIClient, body: dict[str, Any], code: str, path: str) -> None:
    response = api.post("/api/agents", body)
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["path"]) == (400, code, path)
    assert not Agent.objects.exists()


def test_a_circle_of_calls_is_refused(api: APIClient, owner: User) -> None:
    a, b, c = (make_agent(owner, name=name) for name in "abc")
    assert api.patch(f"/api/agents/{a.pk}", {"gofannon_agents": [b.pk]}).status_code == 200
    assert api.patch(f"/api/agents/{b.pk}", {"gofannon_agents": [c.pk]}).status_code == 200
    for names in ([a.pk], [c.pk]):
        response = api.patch(f"/api/agents/{c.pk}", {"gofannon_agents": names})
        assert (response.status_code, response.json()["error"]["code"]) == (400, "cycle")
    assert api.get(f"/api/agents/{c.pk}").json()["gofannon_agents"] == []


@pytest.mark.django_db(transaction=True)
def test_two_edits_at_once_close_no_circle(owner: User, as_: Any) -> None:
    a, b = make_agent(owner, name="a"), make_agent(owner, name="b")

    def call(pair: tuple[Agent, Agent]) -> int:
        try:
            status: int = as_(owner).patch(f"/api/agents/{pair[0].pk}", {"gofannon_agents": [pair[1].pk]}).status_code
            return status
        finally:
            connection.close()

    for _ in range(5):
        with ThreadPoolExecutor(2) as threads:
            assert sorted(threads.map(call, [(a, b), (b, a)])) == [200, 400]
        for agent in (a, b):
            as_(owner).patch(f"/api/agents/{agent.pk}", {"gofannon_agents": []})


def test_get_edit_put(api: APIClient) -> None:
    made = api.post("/api/agents", WRITABLE).json()
    response = api.put(f"/api/agents/{made['_id']}", {**made, "description": "new"})
    assert response.status_code == 200, response.json()
    changed = {"description": "new", "version": 2, "updated_at": response.json()["updated_at"]}
    assert response.json() == {**made, **changed}


def test_who_may_what(
    api: APIClient, owner: User, team: Team, teammate: User, viewer: User, stranger: User, staff: User, as_: Any
) -> None:
    agent = make_agent(owner, team_id=team.pk, visibility="team")
    url = f"/api/agents/{agent.pk}"
    answers = {}
    for name, user in {
        "teammate": teammate,
        "viewer": viewer,
        "stranger": stranger,
        "staff": staff,
        "nobody": None,
    }.items():
        client = as_(user)
        answers[name] = (client.get(url).status_code, client.patch(url, {"description": name}).status_code)
    assert answers == {
        "teammate": (200, 200),
        "viewer": (200, 403),
        "stranger": (404, 404),
        "staff": (200, 200),
        "nobody": (401, 401),
    }
    assert api.get(url).json()["description"] == "staff"


def test_what_is_in_use_is_not_deleted(api: APIClient, owner: User) -> None:
    callee = make_agent(owner, name="callee")
    caller = make_agent(owner, name="caller", gofannon_agents=[callee.pk])
    response = api.delete(f"/api/agents/{callee.pk}")
    assert response.status_code == 409
    assert response.json()["error"]["users"] == [f"agents/{caller.pk}"]
    assert api.delete(f"/api/agents/{caller.pk}").status_code == 204
    assert api.delete(f"/api/agents/{callee.pk}").status_code == 204


def test_archiving_hides_and_brings_back(api: APIClient, owner: User) -> None:
    agent = make_agent(owner)
    assert api.post(f"/api/agents/{agent.pk}/archive").status_code == 200
    assert api.get("/api/agents").json()["results"] == []
    assert len(api.get("/api/agents?archived=true").json()["results"]) == 1
    assert api.post(f"/api/agents/{agent.pk}/unarchive").status_code == 200
    assert len(api.get("/api/agents").json()["results"]) == 1


def test_a_list_costs_two_queries_at_any_length(api: APIClient, owner: User, django_assert_num_queries: Any) -> None:
    for number in range(5):
        make_agent(owner, name=f"agent {number}", mcp_server_tags=["a", "b"])
    with django_assert_num_queries(2):
        assert len(api.get("/api/agents?mcp_server_tag=b").json()["results"]) == 5


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("def handler(event)\n  return 1", ("syntax_error", 1)),
        ("x = 1", ("no_handler", None)),
        ("def handler(): return 1", ("no_handler", 1)),
    ],
)
def test_check_says_what_would_stop_a_run(
    api: APIClient, owner: User, code: str, problem: tuple[str, int | None]
) -> None:
    agent = make_agent(owner, code)
    report = api.post(f"/api/agents/{agent.pk}/check").json()
    assert not report["ok"]
    assert [(found["code"], found["line"]) for found in report["problems"]] == [problem]


def test_check_names_the_runtime_and_resolves_tags(api: APIClient, owner: User) -> None:
    skill = api.post("/api/skills", {"name": "one", "tags": ["t"]}).json()["_id"]
    agent = make_agent(owner, skill_tags=["t"], runtime="monty")
    report = api.post(f"/api/agents/{agent.pk}/check").json()
    assert (report["ok"], report["runtime"], report["resolved"]["skill_ids"]) == (True, "monty", [skill])


def test_an_editors_tag_reaches_nothing_of_the_owners_alone(owner: User, team: Team, teammate: User, as_: Any) -> None:
    shared = {"tags": ["t"], "team_id": team.pk, "visibility": "team"}
    as_(owner).post("/api/skills", {"name": "private", "tags": ["t"]})
    ours = as_(owner).post("/api/skills", {"name": "ours", **shared}).json()["_id"]
    agent = make_agent(owner, team_id=team.pk, visibility="team")
    assert as_(teammate).patch(f"/api/agents/{agent.pk}", {"skill_tags": ["t"]}).status_code == 200
    # What a run would get, not what the check shows the teammate of it.
    assert assembly.assemble(Agent.objects.for_wire().get(pk=agent.pk)).skill_ids == [ours]


def test_a_private_agents_tag_reaches_all_that_is_its_owners(api: APIClient, owner: User) -> None:
    private = api.post("/api/skills", {"name": "private", "tags": ["t"]}).json()["_id"]
    agent = make_agent(owner, skill_tags=["t"])
    assert assembly.assemble(Agent.objects.for_wire().get(pk=agent.pk)).skill_ids == [private]


def test_check_tells_nobody_of_parts_they_may_not_see(owner: User, stranger: User, as_: Any) -> None:
    skill = as_(owner).post("/api/skills", {"name": "private"}).json()["_id"]
    agent = make_agent(owner, skill_ids=[skill], visibility="public")
    assert as_(stranger).post(f"/api/agents/{agent.pk}/check").json()["resolved"]["skill_ids"] == []


def test_a_stale_put_is_412_whatever_else_it_holds(api: APIClient, owner: User) -> None:
    url = f"/api/agents/{make_agent(owner).pk}"
    read = api.get(url)
    api.patch(url, {"description": "first"})
    response = api.put(url, {**read.json(), "description": "second"}, headers={"If-Match": read["ETag"]})
    assert (response.status_code, response.json()["error"]["code"]) == (412, "precondition_failed")
    assert api.get(url).json()["description"] == "first"


def test_code_has_a_limit(api: APIClient) -> None:
    response = api.post("/api/agents", {"name": "a", "code": "#" * (128 * 1024 + 1)})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "code_too_large")


def test_check_shows_the_prompt_by_segment(api: APIClient, owner: User) -> None:
    skill = api.post("/api/skills", {"name": "sums", "description": "adds"}).json()["_id"]
    agent = make_agent(owner, code="", system_prompt="be brief", skill_ids=[skill])
    report = api.post(f"/api/agents/{agent.pk}/check").json()
    assert report["prompt"] == {
        "text": "be brief\n\n- sums: adds",
        "segments": [
            {"name": "system_prompt", "characters": 8, "tokens": 2},
            {"name": "skills", "characters": 12, "tokens": 3},
        ],
    }


@pytest.mark.parametrize("action", ["check", "archive", "unarchive"])
def test_what_takes_no_body_refuses_one(api: APIClient, owner: User, action: str) -> None:
    url = f"/api/agents/{make_agent(owner).pk}/{action}"
    error = api.post(url, {"colour": "red"}).json()["error"]
    assert (error["code"], error["path"]) == ("unknown_field", "colour")
    assert api.post(url).status_code == 200


def test_a_stale_archive_is_412(api: APIClient, owner: User) -> None:
    url = f"/api/agents/{make_agent(owner).pk}"
    api.patch(url, {"description": "first"})
    assert api.post(f"{url}/archive", headers={"If-Match": '"1"'}).status_code == 412
    assert api.post(f"{url}/archive", headers={"If-Match": '"2"'}).status_code == 200


def test_a_tag_finds_nothing_of_a_stranger(api: APIClient, owner: User, stranger: User, staff: User, as_: Any) -> None:
    body = {"name": "bait", "tags": ["t"], "visibility": "public"}
    as_(stranger).post("/api/skills", body)
    published = as_(staff).post("/api/skills", body).json()["_id"]
    agent = make_agent(owner, skill_tags=["t"])
    assert api.post(f"/api/agents/{agent.pk}/check").json()["resolved"]["skill_ids"] == [published]

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from agents.models import Agent
from billing import documents
from billing.models import Team, User
from tests.factories.agents import AgentFactory, GuardrailFactory
from tests.factories.workflows import WorkflowFactory, log, say
from workflows.api.workflows import WorkflowSerializer
from workflows.models import Workflow

pytestmark = pytest.mark.django_db

URL = "/api/workflows"


@pytest.fixture
def agent(owner: User) -> Agent:
    agent: Agent = AgentFactory.create(name="helper", owner=owner)
    return agent


@pytest.fixture
def workflow(owner: User, agent: Agent, team: Team) -> Workflow:
    made: Workflow = WorkflowFactory.create(owner=owner, agent=agent, title="daily", team=team, visibility="team")
    return made


def refusal(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("path")


def test_post_stores_every_writable_field(api: APIClient, agent: Agent, owner: User, team: Team) -> None:
    skill = api.post("/api/skills", {"name": "weather"}).json()["_id"]
    guardrail = GuardrailFactory.create(owner=owner).pk
    given = {
        "title": "daily report",
        "agent_id": agent.pk,
        "model": "scripted/echo",
        "reasoning_effort": "low",
        "max_turns": 7,
        "output_format": "json",
        "infinite_session": True,
        "caveman": True,
        "skill_ids": [skill],
        "skill_tags": ["b", "a"],
        "guardrail_ids": [guardrail],
        "guardrail_tags": ["safe"],
        "webhook_url": "https://example.org/hook?x=1",
        "schedule": "0 7 * * 1-5",
        "team_id": team.pk,
        "visibility": "team",
    }
    response = api.post(URL, given)
    assert response.status_code == 201, response.json()
    made = response.json()
    assert {name: made[name] for name in given} == given
    assert api.get(f"{URL}/{made['_id']}").json() == made


def test_what_is_not_said_has_its_default(api: APIClient, agent: Agent, owner: User) -> None:
    made = api.post(URL, {"agent_id": agent.pk}).json()
    key = made["_id"]
    usage = {"premium_req": 0, "in_tok": 0, "out_tok": 0, "cache_read": 0, "cache_write": 0, "cost": 0}
    assert key.startswith("workflow_")
    assert {**made, "created_at": "", "updated_at": ""} == {
        "_id": key,
        "title": "",
        "agent_id": agent.pk,
        "model": "",
        "reasoning_effort": "",
        "max_turns": 25,
        "current_turn": 0,
        "status": "active",
        "output_format": "markdown",
        "infinite_session": False,
        "caveman": False,
        "usage": usage,
        "skill_ids": [],
        "skill_tags": [],
        "guardrail_ids": [],
        "guardrail_tags": [],
        "webhook_url": "",
        "schedule": "",
        "messages": [],
        "logs": [],
        "version": 1,
        "owner_id": owner.pk,
        "team_id": None,
        "visibility": "private",
        "created_at": "",
        "updated_at": "",
        "_links": {name: f"{URL}/{key}/{name}" for name in ("messages", "logs", "executions")},
    }


def test_what_was_read_can_be_edited_and_put_back(api: APIClient, workflow: Workflow) -> None:
    say(workflow, 3)
    log(workflow, 2)
    read = api.get(f"{URL}/{workflow.pk}").json()
    response = api.put(f"{URL}/{workflow.pk}", {**read, "title": "weekly", "skill_tags": ["x"]})
    assert response.status_code == 200, response.json()
    written = response.json()
    assert {**written, "updated_at": ""} == {
        **read,
        "title": "weekly",
        "skill_tags": ["x"],
        "version": 2,
        "updated_at": "",
    }


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"colour": "red"}, "unknown_field", "colour"),
        ({"agent_id": "nobody"}, "unknown_reference", "agent_id"),
        ({"skill_ids": ["nothing"]}, "unknown_reference", "skill_ids[0]"),
        ({"guardrail_ids": ["nothing"]}, "unknown_reference", "guardrail_ids[0]"),
        ({"title": {"a": 1}}, "invalid", "title"),
        ({"max_turns": "many"}, "invalid", "max_turns"),
        ({"max_turns": 0}, "min_value", "max_turns"),
        ({"max_turns": 10_001}, "invalid", "max_turns"),
        ({"output_format": "xml"}, "invalid_choice", "output_format"),
        ({"reasoning_effort": "huge"}, "invalid_choice", "reasoning_effort"),
        ({"caveman": "perhaps"}, "invalid", "caveman"),
        ({"skill_tags": "a"}, "invalid", "skill_tags"),
        ({"skill_tags": ["a", "a"]}, "duplicate", "skill_tags"),
        ({"webhook_url": "ftp://example.org"}, "invalid_url", "webhook_url"),
        ({"webhook_url": "https://"}, "invalid_url", "webhook_url"),
        ({"webhook_url": "https://example.org:0/"}, "invalid_url", "webhook_url"),
        ({"schedule": "0 7 * *"}, "invalid_schedule", "schedule"),
        ({"schedule": "61 7 * * *"}, "invalid_schedule", "schedule"),
        ({"schedule": "CRON_TZ=Mars/Base 0 7 * * *"}, "invalid_schedule", "schedule"),
        ({"status": "failed"}, "read_only", "status"),
        ({"current_turn": 3}, "read_only", "current_turn"),
        ({"usage": {"in_tok": 5}}, "read_only", "usage"),
        ({"messages": []}, "read_only", "messages"),
        ({"logs": []}, "read_only", "logs"),
        ({"owner_id": "me"}, "read_only", "owner_id"),
        ({"_id": "mine"}, "read_only", "_id"),
    ],
)
def test_post_refuses(api: APIClient, agent: Agent, fields: dict[str, Any], code: str, path: str) -> None:
    assert refusal(api.post(URL, {"agent_id": agent.pk, **fields})) == (400, code, path)
    assert not Workflow.objects.exists()


def test_an_agent_is_required(api: APIClient) -> None:
    assert refusal(api.post(URL, {})) == (400, "required", "agent_id")


@pytest.mark.parametrize("schedule", ["*/5 * * * *", "0 7 * * mon-fri", "CRON_TZ=Europe/Berlin 0 7 1 * *"])
def test_a_schedule_is_cron_with_or_without_a_zone(api: APIClient, agent: Agent, schedule: str) -> None:
    assert api.post(URL, {"agent_id": agent.pk, "schedule": schedule}).json()["schedule"] == schedule


def test_the_engines_fields_cannot_be_changed(api: APIClient, workflow: Workflow) -> None:
    say(workflow, 1)
    read = api.get(f"{URL}/{workflow.pk}").json()
    other = [{**read["messages"][0], "content": "other"}]
    for fields in ({"status": "failed"}, {"messages": other}, {"usage": {**read["usage"], "cost": 1.5}}):
        path = next(iter(fields))
        assert refusal(api.put(f"{URL}/{workflow.pk}", {**read, **fields})) == (400, "read_only", path)
    assert api.get(f"{URL}/{workflow.pk}").json() == read


def test_the_team_reads_and_its_editors_change(
    workflow: Workflow, teammate: User, viewer: User, staff: User, as_: Any
) -> None:
    url = f"{URL}/{workflow.pk}"
    assert as_(viewer).get(url).json()["title"] == "daily"
    assert refusal(as_(viewer).patch(url, {"title": "z"})) == (403, "permission_denied", None)
    assert refusal(as_(viewer).delete(url)) == (403, "permission_denied", None)
    assert Workflow.objects.get().title == "daily"
    assert as_(teammate).patch(url, {"title": "edited"}).json()["title"] == "edited"
    assert as_(staff).patch(url, {"title": "by staff"}).json()["title"] == "by staff"


def test_an_editor_does_not_decide_who_sees_it(workflow: Workflow, teammate: User, as_: Any) -> None:
    response = as_(teammate).patch(f"{URL}/{workflow.pk}", {"visibility": "private"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "owner_only")


def test_its_owner_makes_it_private(workflow: Workflow, owner: User, teammate: User, as_: Any) -> None:
    response = as_(owner).patch(f"{URL}/{workflow.pk}", {"visibility": "private"})
    assert (response.status_code, response.json()["visibility"]) == (200, "private")
    assert as_(teammate).get(f"{URL}/{workflow.pk}").status_code == 404


def test_a_stranger_finds_nothing_and_changes_nothing(workflow: Workflow, stranger: User, as_: Any) -> None:
    url, client = f"{URL}/{workflow.pk}", as_(stranger)
    for child in ("", "/messages", "/logs", "/executions"):
        assert client.get(url + child).status_code == 404
    assert [client.patch(url, {"title": "z"}).status_code, client.delete(url).status_code] == [404, 404]
    assert client.get(URL).json()["results"] == []
    assert Workflow.objects.get().title == "daily"


def test_nobody_anonymous_gets_in(workflow: Workflow, as_: Any) -> None:
    for path in (URL, f"{URL}/{workflow.pk}", f"{URL}/{workflow.pk}/messages"):
        assert as_(None).get(path).status_code == 401


def test_a_strangers_agent_cannot_be_used(agent: Agent, stranger: User, as_: Any) -> None:
    assert refusal(as_(stranger).post(URL, {"agent_id": agent.pk})) == (400, "unknown_reference", "agent_id")
    assert not Workflow.objects.exists()


def test_filters_keep_what_they_say(api: APIClient, owner: User, agent: Agent) -> None:
    one = WorkflowFactory.create(owner=owner, agent=agent, skill_tags=["x"], status="failed")
    two = WorkflowFactory.create(owner=owner, visibility="public", guardrail_tags=["y"])

    def found(query: str) -> list[str]:
        return [row["_id"] for row in api.get(f"{URL}?{query}").json()["results"]]

    assert found(f"agent_id={agent.pk}") == [one.pk]
    assert found("status=failed") == [one.pk]
    assert found("visibility=public") == [two.pk]
    assert found("skill_tag=x") == [one.pk]
    assert found("guardrail_tag=y") == [two.pk]
    assert found("ordering=created_at") == [one.pk, two.pk]
    assert refusal(api.get(f"{URL}?ordering=title")) == (400, "invalid_ordering", "ordering")


EXAMPLE = {
    "_id": "wf-1",
    "agent_id": "agent-id",
    "model": "gpt-4.1",
    "max_turns": 20_000,
    "current_turn": 4,
    "status": "max_turns",
    "output_format": "markdown",
    "infinite_session": True,
    "caveman": False,
    "usage": {"premium_req": 1.33, "in_tok": 10, "out_tok": 5, "cache_read": 2, "cache_write": 1, "cost": 0.000012345},
    "skill_ids": ["skill-1"],
    "messages": [
        {"role": "user", "content": "hello", "tool_calls": None},
        {"role": "assistant", "content": [{"text": "hi"}], "tool_calls": [{"name": "f", "arguments": {"x": 1.5}}]},
    ],
    "logs": [{"timestamp": "2024-01-15T10:30:00Z", "event": "started", "detail": {"by": "cron", "n": None}}],
}


@pytest.mark.parametrize("key", ["_id", "id"])
def test_an_import_reads_back_equal(api: APIClient, owner: User, key: str) -> None:
    given = {key: EXAMPLE["_id"], **{name: value for name, value in EXAMPLE.items() if name != "_id"}}
    serializer = WorkflowSerializer(data=given, context={"importing": True})
    serializer.is_valid(raise_exception=True)
    done = documents.import_document(actor=owner, model=Workflow, values=serializer.validated_data)
    assert done.dangling == [{"path": "agent_id", "id": "agent-id"}, {"path": "skill_ids[0]", "id": "skill-1"}]
    read = api.get(f"{URL}/wf-1").json()
    assert {name: read[name] for name in EXAMPLE} == EXAMPLE
    assert api.put(f"{URL}/wf-1", {**read, "title": "kept"}).json()["title"] == "kept"


def test_an_import_takes_null_for_what_is_optional(owner: User) -> None:
    data = {"agent_id": "agent-id", "model": None, "max_turns": None, "messages": None, "skill_ids": None}
    serializer = WorkflowSerializer(data=data, context={"importing": True})
    serializer.is_valid(raise_exception=True)
    documents.import_document(actor=owner, model=Workflow, values=serializer.validated_data)
    made = Workflow.objects.get()
    assert (made.model, made.max_turns, made.message_count, made.listed("skill_ids")) == ("", 25, 0, [])


def test_the_admin_lists_adds_and_changes(client: Client, staff: User, agent: Agent, owner: User) -> None:
    client.force_login(staff)
    page = "/admin/workflows/workflow/"
    fields = {
        "title": "by hand",
        "agent": agent.pk,
        "owner": owner.pk,
        "team": "",
        "model": "",
        "reasoning_effort": "",
        "max_turns": "9",
        "output_format": "json",
        "caveman": "on",
        "webhook_url": "",
        "schedule": "0 7 * * *",
        "visibility": "private",
        "skill_ids": "",
        "skill_tags": "a\nb",
        "guardrail_ids": "",
        "guardrail_tags": "",
    }
    assert client.post(f"{page}add/", fields).status_code == 302
    made = Workflow.objects.get()
    assert (made.title, made.max_turns, made.caveman, made.listed("skill_tags")) == ("by hand", 9, True, ["a", "b"])
    say(made, 101)
    shown = client.get(f"{page}{made.pk}/change/")
    assert b"all 101" in shown.content
    changed = {**fields, "title": "changed", "expected_version": "1"}
    assert client.post(f"{page}{made.pk}/change/", changed).status_code == 302
    made.refresh_from_db()
    assert (made.title, made.version, made.message_count) == ("changed", 2, 101)
    refused = client.post(f"{page}{made.pk}/change/", {**changed, "max_turns": "10001", "expected_version": "2"})
    assert (refused.status_code, b"between 1 and 10000" in refused.content) == (200, True)
    assert b"changed" in client.get(page).content
    assert client.get(f"/admin/workflows/workflowmessage/?workflow__id__exact={made.pk}").status_code == 200


def test_the_admin_lists_what_was_imported_with_an_agent_that_is_not_here(client: Client, staff: User) -> None:
    Workflow.objects.create(id="wf-1", title="from elsewhere", agent_id="gone", owner_id="gone")
    client.force_login(staff)
    assert b"from elsewhere" in client.get("/admin/workflows/workflow/").content
    assert client.get("/admin/workflows/workflow/wf-1/change/").status_code == 200

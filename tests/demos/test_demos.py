from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from rest_framework.test import APIClient

from agents.models import Agent
from billing import documents
from billing.models import Team, User
from demos.api.demos import DemoSerializer
from demos.models import Demo
from tests.factories.agents import AgentFactory
from tests.factories.demos import DemoFactory

pytestmark = pytest.mark.django_db

URL = "/api/demos"
CONFIG = {"theme": "dark", "max_messages": 50, "features": ["markdown", "code_highlighting"]}
ALL_FEATURES = ["markdown", "code_highlighting", "streaming", "copy", "restart"]


@pytest.fixture
def agent(owner: User) -> Agent:
    agent: Agent = AgentFactory.create(name="helper", owner=owner)
    return agent


@pytest.fixture
def demo(owner: User, agent: Agent, team: Team) -> Demo:
    made: Demo = DemoFactory.create(id="chat", name="Chat", owner=owner, agent=agent, team=team, visibility="team")
    return made


def refusal(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("path")


def test_post_stores_every_writable_field(api: APIClient, agent: Agent, owner: User, team: Team) -> None:
    given = {
        "_id": "demo_chat_app",
        "name": "Interactive Chat Demo",
        "description": "A demo showing chat capabilities",
        "agent_id": agent.pk,
        "config": CONFIG,
        "is_public": True,
        "team_id": team.pk,
        "visibility": "team",
    }
    response = api.post(URL, given)
    assert response.status_code == 201, response.json()
    made = response.json()
    times = {"created_at": made["created_at"], "updated_at": made["updated_at"]}
    assert made == {**given, "version": 1, "owner_id": owner.pk, **times}
    assert response["Location"] == f"{URL}/demo_chat_app"
    assert api.get(f"{URL}/demo_chat_app").json() == made


def test_what_is_not_said_has_its_default(api: APIClient, agent: Agent) -> None:
    made = api.post(URL, {"name": "x", "agent_id": agent.pk}).json()
    assert made["_id"].startswith("demo_")
    assert (made["description"], made["is_public"], made["visibility"]) == ("", False, "private")
    assert made["config"] == {"theme": "auto", "max_messages": 50, "features": ALL_FEATURES}


def test_what_was_read_can_be_edited_and_put_back(api: APIClient, demo: Demo) -> None:
    read = api.get(f"{URL}/chat").json()
    edited = {**read, "name": "Talk", "config": {"theme": "light"}}
    written = api.put(f"{URL}/chat", edited).json()
    assert {**written, "updated_at": ""} == {**edited, "version": 2, "updated_at": ""}


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"colour": "red"}, "unknown_field", "colour"),
        ({"agent_id": "nobody"}, "unknown_reference", "agent_id"),
        ({"name": ""}, "blank", "name"),
        ({"name": {}}, "invalid", "name"),
        ({"is_public": "perhaps"}, "invalid", "is_public"),
        ({"_id": "Chat"}, "invalid_name", "_id"),
        ({"_id": "-chat"}, "invalid_name", "_id"),
        ({"_id": "a" * 64}, "invalid_name", "_id"),
        ({"_id": "chat/app"}, "invalid_name", "_id"),
        ({"_id": ""}, "blank", "_id"),
        ({"config": "dark"}, "invalid", "config"),
        ({"config": {"xyz": 1}}, "unknown_field", "config.xyz"),
        ({"config": {"theme": "pink"}}, "invalid_choice", "config.theme"),
        ({"config": {"max_messages": 0}}, "invalid", "config.max_messages"),
        ({"config": {"max_messages": 1001}}, "invalid", "config.max_messages"),
        ({"config": {"max_messages": True}}, "invalid", "config.max_messages"),
        ({"config": {"max_messages": "5"}}, "invalid", "config.max_messages"),
        ({"config": {"features": "markdown"}}, "invalid", "config.features"),
        ({"config": {"features": ["markdown", "magic"]}}, "invalid_choice", "config.features[1]"),
        ({"config": {"features": ["copy", "copy"]}}, "duplicate", "config.features"),
        ({"owner_id": "me"}, "read_only", "owner_id"),
    ],
)
def test_post_refuses(api: APIClient, agent: Agent, fields: dict[str, Any], code: str, path: str) -> None:
    assert refusal(api.post(URL, {"name": "x", "agent_id": agent.pk, **fields})) == (400, code, path)
    assert not Demo.objects.exists()


def test_an_id_is_taken_once_and_never_changes(api: APIClient, demo: Demo, stranger: User, as_: Any) -> None:
    theirs = AgentFactory.create(owner=stranger).pk
    response = as_(stranger).post(URL, {"_id": "chat", "name": "mine", "agent_id": theirs})
    assert refusal(response) == (409, "duplicate", "_id")
    assert refusal(api.patch(f"{URL}/chat", {"_id": "other"})) == (400, "read_only", "_id")
    assert list(Demo.objects.values_list("id", "name")) == [("chat", "Chat")]


def test_the_team_reads_and_its_editors_change(demo: Demo, teammate: User, viewer: User, staff: User, as_: Any) -> None:
    url = f"{URL}/chat"
    assert as_(viewer).get(url).json()["name"] == "Chat"
    assert refusal(as_(viewer).patch(url, {"name": "z"})) == (403, "permission_denied", None)
    assert refusal(as_(viewer).delete(url)) == (403, "permission_denied", None)
    assert Demo.objects.get().name == "Chat"
    assert as_(teammate).patch(url, {"name": "edited"}).json()["name"] == "edited"
    assert as_(staff).patch(url, {"name": "by staff"}).json()["name"] == "by staff"


def test_a_stranger_finds_nothing_and_changes_nothing(demo: Demo, stranger: User, as_: Any) -> None:
    url, client = f"{URL}/chat", as_(stranger)
    assert [client.get(url).status_code, client.patch(url, {"name": "z"}).status_code] == [404, 404]
    assert client.delete(url).status_code == 404
    assert client.get(URL).json()["results"] == []
    assert as_(None).get(url).status_code == 401
    assert Demo.objects.get().name == "Chat"


def test_a_public_demo_is_everybodys_to_see_and_its_owners_to_change(
    demo: Demo, api: APIClient, stranger: User, as_: Any
) -> None:
    assert not Demo.objects.visible_to(AnonymousUser()).exists()
    api.patch(f"{URL}/chat", {"is_public": True})
    assert list(Demo.objects.visible_to(AnonymousUser())) == [demo]
    assert as_(stranger).get(f"{URL}/chat").json()["is_public"] is True
    assert refusal(as_(stranger).patch(f"{URL}/chat", {"name": "z"})) == (403, "permission_denied", None)


def test_an_agent_in_use_is_not_deleted(api: APIClient, demo: Demo, agent: Agent) -> None:
    response = api.delete(f"/api/agents/{agent.pk}")
    assert refusal(response) == (409, "in_use", None)
    assert response.json()["error"]["users"] == ["demos/chat"]
    assert api.delete(f"{URL}/chat").status_code == 204
    assert api.delete(f"/api/agents/{agent.pk}").status_code == 204


def test_a_team_with_documents_is_not_deleted(demo: Demo, team: Team, owner: User) -> None:
    assert documents.users_of(team, owner) == (["demos/chat"], 0)


@pytest.mark.parametrize("count", [1, 7])
def test_a_list_costs_one_query(
    api: APIClient, owner: User, agent: Agent, count: int, django_assert_num_queries: Any
) -> None:
    DemoFactory.create_batch(count, owner=owner, agent=agent)
    with django_assert_num_queries(1):
        assert len(api.get(URL).json()["results"]) == count


def test_filters_keep_what_they_say(api: APIClient, demo: Demo, owner: User) -> None:
    DemoFactory.create(id="open", name="Open", owner=owner, is_public=True)

    def found(query: str) -> list[str]:
        return [row["_id"] for row in api.get(f"{URL}?{query}").json()["results"]]

    assert found("is_public=true") == ["open"]
    assert found("name=Chat") == ["chat"]
    assert found(f"agent_id={demo.agent_id}") == ["chat"]
    assert found("visibility=team") == ["chat"]
    assert found("ordering=-name") == ["open", "chat"]


def test_an_archived_demo_is_listed_apart(api: APIClient, demo: Demo) -> None:
    assert api.post(f"{URL}/chat/archive").status_code == 200
    assert api.get(URL).json()["results"] == []
    assert [row["_id"] for row in api.get(f"{URL}?archived=true").json()["results"]] == ["chat"]


EXAMPLE = {
    "_id": "demo_chat_app",
    "name": "Interactive Chat Demo",
    "description": "A demo showing chat capabilities",
    "agent_id": "agent-id",
    "config": CONFIG,
    "is_public": True,
    "created_at": "2024-01-01T00:00:00Z",
    "updated_at": "2024-01-15T10:30:00Z",
}


@pytest.mark.parametrize("config", [CONFIG, {}, {"theme": "sepia", "max_messages": "many", "layout": {"a": [1]}}])
def test_an_import_reads_back_equal(api: APIClient, owner: User, config: dict[str, Any]) -> None:
    example = {**EXAMPLE, "config": config}
    serializer = DemoSerializer(data=example, context={"importing": True})
    serializer.is_valid(raise_exception=True)
    done = documents.import_document(actor=owner, model=Demo, values=serializer.validated_data)
    assert done.dangling == [{"path": "agent_id", "id": "agent-id"}]
    read = api.get(f"{URL}/demo_chat_app").json()
    assert {name: read[name] for name in example} == example
    written = api.put(f"{URL}/demo_chat_app", {**read, "name": "kept"}).json()
    assert (written["name"], written["config"]) == ("kept", config)


def test_the_admin_lists_adds_and_changes(client: Client, staff: User, agent: Agent, owner: User) -> None:
    client.force_login(staff)
    page = "/admin/demos/demo/"
    fields = {
        "name": "by hand",
        "description": "",
        "agent": agent.pk,
        "owner": owner.pk,
        "team": "",
        "visibility": "private",
        "config": '{"theme": "dark"}',
        "is_public": "on",
    }
    assert client.post(f"{page}add/", fields).status_code == 302
    made = Demo.objects.get()
    assert (made.name, made.owner_id, made.config, made.is_public) == ("by hand", owner.pk, {"theme": "dark"}, True)
    changed = {**fields, "name": "changed", "expected_version": "1"}
    assert client.post(f"{page}{made.pk}/change/", changed).status_code == 302
    refused = client.post(f"{page}{made.pk}/change/", {**changed, "config": '{"xyz": 1}', "expected_version": "2"})
    assert (refused.status_code, b"there is no such field" in refused.content) == (200, True)
    made.refresh_from_db()
    assert (made.name, made.version, made.config) == ("changed", 2, {"theme": "dark"})
    assert b"changed" in client.get(page).content


def test_the_admin_lists_what_was_imported_with_an_agent_that_is_not_here(client: Client, staff: User) -> None:
    Demo.objects.create(id="elsewhere", name="from elsewhere", agent_id="gone", owner_id="gone")
    client.force_login(staff)
    assert b"from elsewhere" in client.get("/admin/demos/demo/").content
    assert client.get("/admin/demos/demo/elsewhere/change/").status_code == 200

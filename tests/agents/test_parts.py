"""What holds for every part of an agent, for each of its collections."""

from dataclasses import dataclass, field
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from agents.models import Guardrail, KnowledgeItem, KnowledgeSource, McpServer, Provider, Skill, Token
from billing.models import Team, User
from tests.factories.agents import AgentFactory, KnowledgeSourceFactory, McpServerFactory

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Part:
    """A collection, the body of a POST, the field that tests edit, and a body whose field has the wrong type."""

    collection: str
    model: Any
    body: dict[str, Any]
    wrong: tuple[str, Any]
    edited: str = "name"
    # The admin form's fields where they differ from the body, and the query count of a list.
    form: dict[str, Any] = field(default_factory=dict)
    queries: int = 2

    @property
    def url(self) -> str:
        return f"/api/{self.collection}"

    @property
    def admin(self) -> str:
        return f"/admin/agents/{self.model._meta.model_name}"

    def make(self, client: APIClient, **fields: Any) -> dict[str, Any]:
        response = client.post(self.url, {**self.body, **fields})
        assert response.status_code == 201, response.json()
        made: dict[str, Any] = response.json()
        return made

    def one(self) -> Any:
        return self.model.objects.get()

    def stored(self) -> Any:
        return getattr(self.one(), self.edited)


URL = {"url": "https://mcp.example.org/mcp"}
DENY = {"check": "denylist", "action": "block", "words": ["x"]}
PARTS = [
    Part(
        "mcp-servers",
        McpServer,
        {"name": "a", "transport_type": "http", "connection_config": URL},
        ("connection_config", "x"),
        form={"connection_config": '{"url": "https://mcp.example.org/mcp"}'},
    ),
    Part(
        "guardrails",
        Guardrail,
        {"name": "a", "type": "prompt", "config": DENY},
        ("config", ["x"]),
        form={"config": '{"check": "denylist", "action": "block", "words": ["x"]}'},
    ),
    Part(
        "providers",
        Provider,
        {"name": "a", "config": {"kind": "openai"}},
        ("is_default", "perhaps"),
        form={"config": '{"kind": "openai"}'},
        queries=1,
    ),
    Part("tokens", Token, {"name": "a", "value": "sk-abcdefghijkl-9f2c"}, ("value", {"x": 1}), queries=1),
    Part(
        "knowledge-sources",
        KnowledgeSource,
        {"name": "a", "type": "text"},
        ("tags", "x"),
        form={"connection_config": "{}"},
    ),
    Part("knowledge-items", KnowledgeItem, {"content": "a", "content_type": "text/plain"}, ("content", {}), "content"),
]
# Items are their source's: they have neither a name nor an owner of their own.
OWNED = pytest.mark.parametrize("part", PARTS[:-1], ids=lambda part: part.collection)


@pytest.fixture(params=PARTS, ids=lambda part: part.collection)
def part(request: pytest.FixtureRequest, owner: User) -> Part:
    part: Part = request.param
    if part.model is not KnowledgeItem:
        return part
    source = KnowledgeSourceFactory.create(name="source", owner=owner)
    return Part(**{**part.__dict__, "body": {**part.body, "source_id": source.pk}, "form": {"source": source.pk}})


def share(part: Part, document_id: str, team: Team, visibility: str = "team") -> None:
    rows = KnowledgeSource.objects.all() if part.model is KnowledgeItem else part.model.objects.filter(pk=document_id)
    rows.update(visibility=visibility, team=team)


def error_of(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("path")


def test_what_is_posted_is_read_back(api: APIClient, part: Part) -> None:
    made = part.make(api)
    hidden = {"value"}
    assert {name: made[name] for name in part.body if name not in hidden} == {
        name: value for name, value in part.body.items() if name not in hidden
    }
    assert api.get(f"{part.url}/{made['_id']}").json() == made
    assert made["_id"].startswith(f"{part.model.KIND}_")


def test_what_was_read_can_be_edited_and_put_back(api: APIClient, part: Part) -> None:
    made = part.make(api)
    response = api.put(f"{part.url}/{made['_id']}", {**made, part.edited: "edited"})
    assert response.status_code == 200, response.json()
    changes = {part.edited: "edited", "version": 2, "updated_at": response.json()["updated_at"]}
    assert response.json() == {**made, **changes}
    assert response["ETag"] == '"2"'


def test_an_unknown_field_is_refused_with_its_path(api: APIClient, part: Part) -> None:
    response = api.post(part.url, {**part.body, "colour": "red"})
    assert error_of(response) == (400, "unknown_field", "colour")
    assert not part.model.objects.exists()


def test_a_wrong_type_is_refused_with_its_path(api: APIClient, part: Part) -> None:
    name, value = part.wrong
    response = api.post(part.url, {**part.body, name: value})
    status, _, path = error_of(response)
    assert (status, path) == (400, name)
    assert not part.model.objects.exists()


def test_what_the_platform_sets_cannot_be_changed(api: APIClient, part: Part) -> None:
    made = part.make(api)
    url = f"{part.url}/{made['_id']}"
    assert error_of(api.patch(url, {"created_at": "2020-01-01T00:00:00Z"})) == (400, "read_only", "created_at")
    assert error_of(api.patch(url, {"_id": "other"})) == (400, "read_only", "_id")
    assert api.get(url).json() == made


def test_a_lost_race_is_412(api: APIClient, part: Part) -> None:
    url = f"{part.url}/{part.make(api)['_id']}"
    assert api.patch(url, {part.edited: "first"}, headers={"If-Match": '"1"'}).status_code == 200
    assert api.patch(url, {part.edited: "second"}, headers={"If-Match": '"1"'}).status_code == 412
    assert part.stored() == "first"


def test_the_same_key_makes_one_document(api: APIClient, part: Part) -> None:
    first, again = (api.post(part.url, part.body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert part.model.objects.count() == 1


def test_nobody_anonymous_gets_in(api: APIClient, part: Part, as_: Any) -> None:
    url = f"{part.url}/{part.make(api)['_id']}"
    nobody = as_(None)
    assert [nobody.get(part.url).status_code, nobody.post(part.url, part.body).status_code] == [401, 401]
    assert [nobody.get(url).status_code, nobody.delete(url).status_code] == [401, 401]
    assert part.model.objects.count() == 1


def test_a_stranger_gets_404_and_changes_nothing(api: APIClient, part: Part, stranger: User, as_: Any) -> None:
    url = f"{part.url}/{part.make(api)['_id']}"
    client = as_(stranger)
    assert client.get(part.url).json()["results"] == []
    assert client.get(url).status_code == 404
    assert client.patch(url, {part.edited: "z"}).status_code == 404
    assert client.delete(url).status_code == 404
    assert part.stored() == "a"


def test_a_viewer_of_the_team_reads_and_changes_nothing(
    api: APIClient, part: Part, team: Team, viewer: User, as_: Any
) -> None:
    made = part.make(api)
    share(part, made["_id"], team)
    url, client = f"{part.url}/{made['_id']}", as_(viewer)
    assert client.get(url).json()["_id"] == made["_id"]
    assert error_of(client.patch(url, {part.edited: "z"})) == (403, "permission_denied", None)
    assert error_of(client.delete(url)) == (403, "permission_denied", None)
    assert part.stored() == "a"


def test_an_editor_of_the_team_changes_what_is_shared_only(
    api: APIClient, part: Part, team: Team, teammate: User, as_: Any
) -> None:
    made = part.make(api)
    url, client = f"{part.url}/{made['_id']}", as_(teammate)
    assert client.patch(url, {part.edited: "z"}).status_code == 404
    share(part, made["_id"], team)
    assert client.patch(url, {part.edited: "z"}).json()[part.edited] == "z"
    # A secret is its owner's to throw away.
    status, left = (403, 1) if part.collection == "tokens" else (204, 0)
    assert (client.delete(url).status_code, part.model.objects.count()) == (status, left)


def test_staff_changes_anything(api: APIClient, part: Part, staff: User, as_: Any) -> None:
    url = f"{part.url}/{part.make(api)['_id']}"
    assert as_(staff).patch(url, {part.edited: "z"}).json()[part.edited] == "z"
    assert as_(staff).delete(url).status_code == 204


def test_a_list_costs_the_same_at_any_length(api: APIClient, part: Part, django_assert_num_queries: Any) -> None:
    for n in range(5):
        part.make(api, **{part.edited: f"n{n}"})
    with django_assert_num_queries(part.queries):
        assert len(api.get(part.url).json()["results"]) == 5


@OWNED
def test_a_name_is_taken_once_per_owner(api: APIClient, part: Part, stranger: User, as_: Any) -> None:
    part.make(api)
    assert error_of(api.post(part.url, part.body)) == (409, "duplicate", "name")
    part.make(as_(stranger))


@OWNED
def test_a_team_that_one_is_no_member_of_is_unknown(api: APIClient, part: Part, stranger: User) -> None:
    other = Team.objects.create(name="others", owner=stranger)
    response = api.post(part.url, {**part.body, "team_id": other.pk})
    assert error_of(response) == (400, "unknown_reference", "team_id")
    assert not part.model.objects.exists()


def form_of(part: Part, owner: User, **fields: Any) -> dict[str, Any]:
    owned = {"owner": owner.pk, "visibility": "private"} if part.edited == "name" else {}
    return {**part.body, **owned, **part.form, **fields}


@pytest.fixture
def admin(staff: User, client: Client) -> Client:
    client.force_login(staff)
    return client


def test_the_admin_adds_one(admin: Client, part: Part, owner: User) -> None:
    assert admin.get(f"{part.admin}/add/").status_code == 200
    response = admin.post(f"{part.admin}/add/", form_of(part, owner))
    assert response.status_code == 302, response.context["errors"]
    made = part.one()
    assert getattr(made, part.edited) == "a"
    assert admin.get(f"{part.admin}/").status_code == 200


def test_the_admin_changes_one_and_bumps_its_version(admin: Client, api: APIClient, part: Part, owner: User) -> None:
    url = f"{part.admin}/{part.make(api)['_id']}/change/"
    assert admin.get(url).context["adminform"].form.initial["expected_version"] == 1
    response = admin.post(url, form_of(part, owner, expected_version=1, **{part.edited: "edited"}))
    assert response.status_code == 302, response.context["errors"]
    assert (part.stored(), part.one().version) == ("edited", 2)


def test_the_admin_says_that_a_race_was_lost(admin: Client, api: APIClient, part: Part, owner: User) -> None:
    made = part.make(api)
    api.patch(f"{part.url}/{made['_id']}", {part.edited: "first"})
    url = f"{part.admin}/{made['_id']}/change/"
    response = admin.post(url, form_of(part, owner, expected_version=1, **{part.edited: "second"}))
    assert response.status_code == 200
    assert "the document has changed since it was read" in response.content.decode()
    assert part.stored() == "first"


def test_the_admin_deletes_one(admin: Client, api: APIClient, part: Part) -> None:
    url = f"{part.admin}/{part.make(api)['_id']}/delete/"
    assert admin.get(url).status_code == 200
    assert admin.post(url, {"post": "yes"}).status_code == 302
    assert not part.model.objects.exists()


def test_the_admin_says_why_something_stays(admin: Client, owner: User) -> None:
    server = McpServerFactory.create(owner=owner)
    agent = AgentFactory.create(owner=owner, mcp_server_ids=[server.pk])
    page = admin.post(f"/admin/agents/mcpserver/{server.pk}/delete/", {"post": "yes"}, follow=True)
    assert f"mcp-servers/{server.pk} is in use by agents/{agent.pk}" in page.content.decode()
    assert McpServer.objects.exists()


def test_the_admin_deletes_what_has_a_history(admin: Client, api: APIClient) -> None:
    made = api.post("/api/skills", {"name": "s"}).json()
    assert admin.post(f"/admin/agents/skill/{made['_id']}/delete/", {"post": "yes"}).status_code == 302
    assert not Skill.objects.exists()


def test_the_admin_shows_each_refusal_at_its_field(admin: Client, owner: User) -> None:
    config = '{"url": 5, "colour": 1}'
    form = {"name": "s", "transport_type": "http", "owner": owner.pk, "visibility": "private"}
    page = admin.post("/admin/agents/mcpserver/add/", {**form, "connection_config": config})
    assert page.context["adminform"].form.errors == {
        "connection_config": [
            "connection_config.url: Input should be a valid string",
            "connection_config.colour: there is no such field",
        ]
    }


@pytest.mark.parametrize("config", ['{"url": NaN}', '{"url": "\\u0000"}'])
def test_the_admin_takes_json_as_strictly_as_the_api(admin: Client, owner: User, config: str) -> None:
    form = {"name": "s", "transport_type": "http", "owner": owner.pk, "visibility": "private"}
    page = admin.post("/admin/agents/mcpserver/add/", {**form, "connection_config": config})
    assert list(page.context["adminform"].form.errors) == ["connection_config"]
    assert not McpServer.objects.exists()

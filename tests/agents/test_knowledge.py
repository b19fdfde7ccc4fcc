from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from agents.api.knowledge import KnowledgeItemSerializer, KnowledgeSourceSerializer
from agents.models import KnowledgeItem, KnowledgeSource
from agents.models.knowledge import MAX_CONTENT
from billing import documents
from billing.models import Team, User
from tests.factories.agents import AgentFactory, KnowledgeItemFactory, KnowledgeSourceFactory, TokenFactory

pytestmark = pytest.mark.django_db


def post(api: APIClient, type_: str = "text", config: Any = None, **fields: Any) -> Any:
    body = {"name": "facts", "type": type_, "connection_config": config or {}, **fields}
    return api.post("/api/knowledge-sources", body)


def post_item(api: APIClient, source: KnowledgeSource, **fields: Any) -> Any:
    return api.post("/api/knowledge-items", {"source_id": source.pk, "content": "c", **fields})


def refusal(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("path")


def test_the_texts_own_fields_make_a_source(api: APIClient) -> None:
    made = post(api, "url", {"url": "https://example.org/a"}, tags=["b", "a"]).json()
    shown = {name: made[name] for name in ("name", "type", "connection_config", "tags", "status", "last_error")}
    assert shown == {
        "name": "facts",
        "type": "url",
        "connection_config": {"url": "https://example.org/a"},
        "tags": ["b", "a"],
        "status": "registered",
        "last_error": "",
    }


@pytest.mark.parametrize(
    ("type_", "config"),
    [
        ("text", {}),
        ("file", {"path": "handbook/rules.md"}),
        ("url", {"url": "https://example.org", "headers": {"Accept-Language": "de"}}),
    ],
)
def test_each_type_has_its_config(api: APIClient, type_: str, config: Any) -> None:
    response = post(api, type_, config)
    assert (response.status_code, response.json()["connection_config"]) == (201, config)


@pytest.mark.parametrize(
    ("type_", "config", "code", "path"),
    [
        ("carrier", {}, "invalid_choice", "type"),
        ("text", {"colour": 1}, "unknown_field", "connection_config.colour"),
        ("file", {}, "required", "connection_config.path"),
        ("file", {"path": "/etc/passwd"}, "invalid_path", "connection_config.path"),
        ("file", {"path": "a/../../b"}, "invalid_path", "connection_config.path"),
        ("url", {"url": "file:///etc/passwd"}, "invalid_url", "connection_config.url"),
        (
            "url",
            {"url": "https://example.org", "headers": {"Authorization": "hunter2"}},
            "inline_secret",
            "connection_config.headers.Authorization",
        ),
    ],
)
def test_a_wrong_config_is_refused_at_its_path(api: APIClient, type_: str, config: Any, code: str, path: str) -> None:
    assert refusal(post(api, type_, config)) == (400, code, path)
    assert not KnowledgeSource.objects.exists()


def test_other_databases_are_for_staff(api: APIClient, staff: User, as_: Any) -> None:
    config = {"connection": {"token": TokenFactory.create(owner=staff).pk}, "table": "public.docs"}
    assert refusal(post(api, "pgvector", config)) == (403, "staff_only", "type")
    assert post(as_(staff), "pgvector", config).json()["connection_config"] == config


@pytest.mark.parametrize(
    ("config", "code", "path"),
    [
        ({"connection": "postgres://a:hunter2@db/x", "table": "t"}, "inline_secret", "connection_config.connection"),
        ({"connection": {"token": "gone"}, "table": "t"}, "unknown_reference", "connection_config.connection.token"),
        ({"connection": {"token": "x"}, "table": "t; drop"}, "invalid", "connection_config.table"),
    ],
)
def test_a_connection_is_a_token_and_a_plain_table(staff: User, as_: Any, config: Any, code: str, path: str) -> None:
    assert refusal(post(as_(staff), "pgvector", config)) == (400, code, path)


def test_what_a_sync_found_out_is_not_for_clients_to_write(api: APIClient) -> None:
    made = post(api).json()
    url = f"/api/knowledge-sources/{made['_id']}"
    for name, value in (("status", "synced"), ("last_error", "x")):
        assert refusal(api.patch(url, {name: value})) == (400, "read_only", name)
    assert api.get(url).json() == made


def test_a_source_takes_its_items_with_it(api: APIClient, owner: User) -> None:
    source, other = KnowledgeSourceFactory.create_batch(2, owner=owner)
    KnowledgeItemFactory.create(source=source, tags=["x"])
    kept = KnowledgeItemFactory.create(source=other)
    assert api.delete(f"/api/knowledge-sources/{source.pk}").status_code == 204
    assert KnowledgeItem.objects.get() == kept


def test_a_source_that_an_agent_names_is_not_deleted(api: APIClient, owner: User) -> None:
    item = KnowledgeItemFactory.create(source=KnowledgeSourceFactory.create(owner=owner))
    agent = AgentFactory.create(owner=owner, knowledge_source_ids=[item.source_id])
    response = api.delete(f"/api/knowledge-sources/{item.source_id}")
    assert refusal(response)[:2] == (409, "in_use")
    assert response.json()["error"]["users"] == [f"agents/{agent.pk}"]
    assert KnowledgeItem.objects.exists()


def test_sources_are_found_by_tag_type_and_status(api: APIClient, owner: User) -> None:
    KnowledgeSourceFactory.create(owner=owner, name="a", tags=["x"], status="synced")
    KnowledgeSourceFactory.create(owner=owner, name="b", type="file", connection_config={"path": "p"})
    found = {
        query: [row["name"] for row in api.get(f"/api/knowledge-sources?{query}").json()["results"]]
        for query in ("tag=x", "type=file", "status=synced", "name=b", "visibility=public")
    }
    assert found == {
        "tag=x": ["a"],
        "type=file": ["b"],
        "status=synced": ["a"],
        "name=b": ["b"],
        "visibility=public": [],
    }


def test_the_texts_own_fields_make_an_item(api: APIClient, owner: User) -> None:
    source = KnowledgeSourceFactory.create(owner=owner)
    given = {"content": "  as it stands\n", "content_type": "text/markdown; charset=utf-8", "tags": ["b", "a"]}
    made = post_item(api, source, **given).json()
    assert {name: made[name] for name in given} == given
    assert made["source_id"] == source.pk
    assert post_item(api, source).json()["content_type"] == "text/plain"


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"content": ""}, "blank", "content"),
        ({"content": "x" * (MAX_CONTENT + 1)}, "max_length", "content"),
        ({"content_type": "markdown"}, "invalid", "content_type"),
        ({"content_type": "text/html\r\nX: y"}, "invalid", "content_type"),
        ({"source_id": "source_gone"}, "unknown_reference", "source_id"),
        ({"tags": ["a", "a"]}, "duplicate", "tags"),
    ],
)
def test_a_wrong_item_is_refused_at_its_path(api: APIClient, owner: User, fields: Any, code: str, path: str) -> None:
    source = KnowledgeSourceFactory.create(owner=owner)
    assert refusal(post_item(api, source, **fields)) == (400, code, path)
    assert not KnowledgeItem.objects.exists()


def test_an_item_enters_only_a_source_that_one_may_change(
    api: APIClient, team: Team, viewer: User, stranger: User, as_: Any
) -> None:
    source = KnowledgeSourceFactory.create(owner=team.owner, team=team, visibility="team")
    assert refusal(post_item(as_(stranger), source)) == (400, "unknown_reference", "source_id")
    assert refusal(post_item(as_(viewer), source)) == (403, "permission_denied", "source_id")
    mine = KnowledgeSourceFactory.create(owner=viewer)
    item = post_item(as_(viewer), mine).json()
    moved = as_(viewer).patch(f"/api/knowledge-items/{item['_id']}", {"source_id": source.pk})
    assert refusal(moved) == (403, "permission_denied", "source_id")
    assert KnowledgeItem.objects.get().source == mine


def test_items_are_found_by_source_tag_and_content_type(api: APIClient, owner: User) -> None:
    one, two = KnowledgeSourceFactory.create_batch(2, owner=owner)
    KnowledgeItemFactory.create(source=one, content="a", tags=["x"])
    KnowledgeItemFactory.create(source=two, content="b", content_type="text/html")
    found = {
        query: [row["content"] for row in api.get(f"/api/knowledge-items?{query}").json()["results"]]
        for query in (f"source_id={one.pk}", "tag=x", "content_type=text/html", "source_id=gone")
    }
    assert list(found.values()) == [["a"], ["a"], ["b"], []]


def test_an_import_brings_a_source_and_its_items(owner: User) -> None:
    bodies = (
        (KnowledgeSourceSerializer, KnowledgeSource, {"id": "s", "name": "n", "type": "confluence", "tags": []}),
        (KnowledgeItemSerializer, KnowledgeItem, {"id": "i", "source_id": "s", "content": "c", "content_type": "text"}),
    )
    for serializer_class, model, body in bodies:
        serializer = serializer_class(data=body, context={"importing": True})
        serializer.is_valid(raise_exception=True)
        documents.import_document(actor=owner, model=model, values=serializer.validated_data)
    item = KnowledgeItem.objects.get()
    assert (item.pk, item.source.pk, item.source.type) == ("i", "s", "confluence")


def test_the_admin_keeps_the_white_space_of_an_item(staff: User, owner: User, client: Client) -> None:
    client.force_login(staff)
    source = KnowledgeSourceFactory.create(owner=owner)
    form = {"source": source.pk, "content": "  a\n", "content_type": "text/plain", "tags": "t"}
    wrong = client.post("/admin/agents/knowledgeitem/add/", {**form, "content_type": "markdown"})
    assert list(wrong.context["adminform"].form.errors) == ["content_type"]
    assert client.post("/admin/agents/knowledgeitem/add/", form).status_code == 302
    assert (KnowledgeItem.objects.get().content, KnowledgeItem.objects.get().listed("tags")) == ("  a\n", ["t"])

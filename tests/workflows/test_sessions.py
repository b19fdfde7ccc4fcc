from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from agents.models import Agent
from billing import documents
from billing.models import User
from tests.factories.agents import AgentFactory
from tests.factories.workflows import SessionFactory, say
from workflows.api.sessions import SessionSerializer
from workflows.models import Session

pytestmark = pytest.mark.django_db

URL = "/api/sessions"
METADATA = {"ip_address": "192.168.1.1", "user_agent": "Mozilla/5.0...", "tags": ["support", "billing"]}


@pytest.fixture
def agent(owner: User) -> Agent:
    agent: Agent = AgentFactory.create(name="helper", owner=owner)
    return agent


@pytest.fixture
def session(owner: User, agent: Agent) -> Session:
    made: Session = documents.create_document(
        actor=owner, model=Session, values={"title": "chat", "agent_id": agent.pk, "metadata": METADATA}
    )
    return made


def refusal(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("path")


def test_post_stores_every_writable_field_for_the_caller(api: APIClient, agent: Agent, owner: User) -> None:
    given = {"title": "chat", "agent_id": agent.pk, "metadata": METADATA, "expires_at": "2027-01-16T10:30:00Z"}
    response = api.post(URL, given)
    assert response.status_code == 201, response.json()
    made = response.json()
    key = made["_id"]
    times = {"created_at": made["created_at"], "updated_at": made["updated_at"]}
    links = {"messages": f"{URL}/{key}/messages"}
    assert made == {"_id": key, **given, "user_id": owner.pk, "messages": [], "version": 1, **times, "_links": links}
    assert key.startswith("session_")
    assert api.get(f"{URL}/{key}").json() == made


def test_what_is_not_said_has_its_default(api: APIClient, agent: Agent) -> None:
    made = api.post(URL, {"agent_id": agent.pk}).json()
    assert (made["title"], made["expires_at"]) == ("", None)
    assert made["metadata"] == {"ip_address": None, "user_agent": "", "tags": []}


def test_what_was_read_can_be_edited_and_put_back(api: APIClient, session: Session) -> None:
    say(session, 2)
    read = api.get(f"{URL}/{session.pk}").json()
    edited = {**read, "title": "renamed", "metadata": {"tags": ["x"]}}
    written = api.put(f"{URL}/{session.pk}", edited).json()
    assert {**written, "updated_at": ""} == {**edited, "version": 2, "updated_at": ""}


@pytest.mark.parametrize(
    ("fields", "code", "path"),
    [
        ({"colour": "red"}, "unknown_field", "colour"),
        ({"agent_id": "nobody"}, "unknown_reference", "agent_id"),
        ({"title": []}, "invalid", "title"),
        ({"expires_at": "tomorrow"}, "invalid", "expires_at"),
        ({"expires_at": "2027-01-16T10:30:00"}, "invalid", "expires_at"),
        ({"metadata": []}, "invalid", "metadata"),
        ({"metadata": {"referrer": "x"}}, "unknown_field", "metadata.referrer"),
        ({"metadata": {"ip_address": "300.1.1.1"}}, "invalid_ip", "metadata.ip_address"),
        ({"metadata": {"user_agent": 5}}, "invalid", "metadata.user_agent"),
        ({"metadata": {"tags": "a"}}, "invalid", "metadata.tags"),
        ({"metadata": {"tags": ["a", 5]}}, "invalid", "metadata.tags[1]"),
        ({"metadata": {"tags": ["a", "a"]}}, "duplicate", "metadata.tags"),
        ({"user_id": "somebody"}, "read_only", "user_id"),
        ({"messages": [{"role": "user", "content": "x"}]}, "read_only", "messages"),
    ],
)
def test_post_refuses(api: APIClient, agent: Agent, fields: dict[str, Any], code: str, path: str) -> None:
    assert refusal(api.post(URL, {"agent_id": agent.pk, **fields})) == (400, code, path)
    assert not Session.objects.exists()


def test_an_address_may_be_of_version_six_or_null(api: APIClient, agent: Agent) -> None:
    for address in ("2001:db8::1", None):
        made = api.post(URL, {"agent_id": agent.pk, "metadata": {"ip_address": address}}).json()
        assert made["metadata"] == {"ip_address": address}


def test_messages_and_the_user_cannot_be_changed(api: APIClient, session: Session, stranger: User) -> None:
    say(session, 1)
    read = api.get(f"{URL}/{session.pk}").json()
    other = [{**read["messages"][0], "content": "other"}]
    for fields in ({"messages": other}, {"user_id": stranger.pk}):
        assert refusal(api.put(f"{URL}/{session.pk}", {**read, **fields})) == (400, "read_only", next(iter(fields)))
    assert api.get(f"{URL}/{session.pk}").json() == read


def test_what_was_read_before_an_append_can_be_put_back(api: APIClient, session: Session) -> None:
    say(session, 99)
    read = api.get(f"{URL}/{session.pk}").json()
    say(session, 50)
    written = api.put(f"{URL}/{session.pk}", {**read, "title": "renamed"}).json()
    assert (written["title"], written["messages"][-1]["content"]) == ("renamed", "149")


def test_a_session_is_its_users_and_staffs_alone(
    session: Session, teammate: User, stranger: User, staff: User, as_: Any
) -> None:
    url = f"{URL}/{session.pk}"
    for user in (teammate, stranger):
        client = as_(user)
        assert [client.get(url).status_code, client.get(f"{url}/messages").status_code] == [404, 404]
        assert [client.patch(url, {"title": "z"}).status_code, client.delete(url).status_code] == [404, 404]
        assert client.get(URL).json()["results"] == []
    assert as_(None).get(url).status_code == 401
    assert Session.objects.get().title == "chat"
    assert as_(staff).patch(url, {"title": "by staff"}).json()["title"] == "by staff"


def test_its_user_deletes_it_with_its_messages(api: APIClient, session: Session) -> None:
    say(session, 3)
    assert api.delete(f"{URL}/{session.pk}").status_code == 204
    assert not Session.objects.exists()


def test_an_agent_in_use_is_not_deleted(api: APIClient, session: Session, agent: Agent) -> None:
    response = api.delete(f"/api/agents/{agent.pk}")
    assert refusal(response) == (409, "in_use", None)
    assert response.json()["error"]["users"] == [f"sessions/{session.pk}"]


@pytest.mark.parametrize("count", [1, 7])
def test_a_list_costs_two_queries(
    api: APIClient, owner: User, agent: Agent, count: int, django_assert_num_queries: Any
) -> None:
    for _ in range(count):
        say(SessionFactory.create(user=owner, agent=agent), 3)
    with django_assert_num_queries(2):
        results = api.get(URL).json()["results"]
    assert [[m["content"] for m in row["messages"]] for row in results] == [["1", "2", "3"]] * count


def test_a_document_shows_the_newest_hundred_and_leads_to_all(api: APIClient, session: Session) -> None:
    say(session, 250)
    read = api.get(f"{URL}/{session.pk}").json()
    assert [message["content"] for message in read["messages"]] == [str(n) for n in range(151, 251)]
    seen, url = [], read["_links"]["messages"] + "?limit=60"
    while url:
        page = api.get(url).json()
        seen += page["results"]
        last, url = page, page["next"]
    assert [message["content"] for message in seen] == [str(n) for n in range(1, 251)]
    assert seen[150:] == read["messages"]
    assert api.get(last["previous"]).json()["results"][0]["content"] == "181"


def test_filters_keep_what_they_say(api: APIClient, session: Session, owner: User) -> None:
    other = SessionFactory.create(user=owner)

    def found(query: str) -> list[str]:
        return [row["_id"] for row in api.get(f"{URL}?{query}").json()["results"]]

    assert found("tag=billing") == [session.pk]
    assert found(f"agent_id={other.agent_id}") == [other.pk]
    assert found(f"user_id={owner.pk}&ordering=created_at") == [session.pk, other.pk]
    api.patch(f"{URL}/{session.pk}", {"metadata": {"tags": ["new"]}})
    assert (found("tag=billing"), found("tag=new")) == ([], [session.pk])


EXAMPLE = {
    "_id": "session_abc123",
    "user_id": "user_google_123456789",
    "agent_id": "550e8400-e29b-41d4-a716-446655440000",
    "messages": [
        {"role": "user", "content": "Hello, agent!", "timestamp": "2024-01-15T10:30:00Z"},
        {"role": "assistant", "content": "Hello! How can I help?", "timestamp": "2024-01-15T10:30:05Z"},
    ],
    "metadata": METADATA,
    "created_at": "2024-01-15T10:30:00Z",
    "updated_at": "2024-01-15T10:35:00Z",
    "expires_at": "2024-01-16T10:30:00Z",
}


@pytest.mark.parametrize("metadata", [METADATA, {}, {"tags": [1, {"a": 2}, "x", "x"], "referrer": {"deep": [None]}}])
def test_an_import_reads_back_equal(staff: User, as_: Any, metadata: dict[str, Any]) -> None:
    example = {**EXAMPLE, "metadata": metadata}
    serializer = SessionSerializer(data=example, context={"importing": True})
    serializer.is_valid(raise_exception=True)
    done = documents.import_document(actor=staff, model=Session, values=serializer.validated_data)
    assert [reference["path"] for reference in done.dangling] == ["user_id", "agent_id"]
    read = as_(staff).get(f"{URL}/session_abc123").json()
    assert {name: read[name] for name in example} == example
    written = as_(staff).put(f"{URL}/session_abc123", {**read, "title": "kept"}).json()
    assert (written["title"], written["metadata"]) == ("kept", metadata)


def test_an_import_without_a_user_is_the_importers(staff: User) -> None:
    serializer = SessionSerializer(data={"agent_id": "agent-id"}, context={"importing": True})
    serializer.is_valid(raise_exception=True)
    done = documents.import_document(actor=staff, model=Session, values=serializer.validated_data)
    assert Session.objects.get(pk=done.document.pk).user_id == staff.pk


def test_the_admin_lists_adds_and_changes(client: Client, staff: User, agent: Agent) -> None:
    client.force_login(staff)
    page = "/admin/workflows/session/"
    fields = {
        "title": "by hand",
        "agent": agent.pk,
        "metadata": '{"tags": ["a"]}',
        "expires_at_0": "",
        "expires_at_1": "",
    }
    assert client.post(f"{page}add/", fields).status_code == 302
    made = Session.objects.get()
    assert (made.title, made.user_id, made.metadata) == ("by hand", staff.pk, {"tags": ["a"]})
    say(made, 2)
    changed = {**fields, "title": "changed", "expected_version": "1"}
    assert client.post(f"{page}{made.pk}/change/", changed).status_code == 302
    made.refresh_from_db()
    assert (made.title, made.version, made.message_count) == ("changed", 2, 2)
    for metadata in ('{"tags": [5]}', ""):
        refused = client.post(f"{page}{made.pk}/change/", {**changed, "metadata": metadata, "expected_version": "2"})
        assert refused.status_code == 200
    made.refresh_from_db()
    assert made.metadata == {"tags": ["a"]}
    assert b"changed" in client.get(page).content
    assert client.get(f"/admin/workflows/sessionmessage/?session__id__exact={made.pk}").status_code == 200

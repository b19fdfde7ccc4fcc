import logging
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from agents.api.tokens import TokenSerializer
from agents.models import Token
from billing import documents
from billing.models import Team, User
from gofannon.lib.crypto import reveal
from tests.factories.agents import KnowledgeSourceFactory, McpServerFactory, ProviderFactory, TokenFactory

pytestmark = pytest.mark.django_db

SECRET = "sk-correct-horse-battery-9f2c"


def make(api: APIClient, **fields: Any) -> dict[str, Any]:
    response = api.post("/api/tokens", {"name": "github", "value": SECRET, **fields})
    assert response.status_code == 201, response.json()
    made: dict[str, Any] = response.json()
    return made


def stored_secret() -> str:
    value = Token.objects.get().value
    assert value is not None
    return reveal(value)


def test_a_value_goes_in_and_only_its_mask_comes_out(api: APIClient) -> None:
    made = make(api)
    assert (made["name"], made["hint"]) == ("github", "sk-...9f2c")
    assert "value" not in made
    assert stored_secret() == SECRET


def test_the_column_holds_no_plain_text(api: APIClient) -> None:
    make(api)
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM agents_token")
        (column,) = cursor.fetchone()
    assert SECRET not in column
    assert column.startswith("gAAAA")


def test_a_value_is_required_and_not_empty(api: APIClient) -> None:
    for body, code in (({"name": "x"}, "required"), ({"name": "x", "value": ""}, "blank")):
        error = api.post("/api/tokens", body).json()["error"]
        assert (error["code"], error["path"]) == (code, "value")
    assert not Token.objects.exists()


def test_a_new_value_rotates_it(api: APIClient) -> None:
    url = f"/api/tokens/{make(api)['_id']}"
    response = api.patch(url, {"value": "sk-another-horse-battery-0000"})
    assert (response.json()["hint"], response.json()["version"]) == ("sk-...0000", 2)
    assert stored_secret() == "sk-another-horse-battery-0000"


def test_an_edit_without_a_value_keeps_the_stored_one(api: APIClient) -> None:
    made = make(api)
    response = api.put(f"/api/tokens/{made['_id']}", {**made, "name": "gitlab"})
    assert (response.json()["name"], response.json()["hint"]) == ("gitlab", "sk-...9f2c")
    assert stored_secret() == SECRET


def test_the_mask_is_not_for_clients_to_write(api: APIClient) -> None:
    response = api.post("/api/tokens", {"name": "x", "value": SECRET, "hint": "abc"})
    assert (response.json()["error"]["code"], response.json()["error"]["path"]) == ("read_only", "hint")


def test_an_encrypted_value_of_another_platform_is_no_field(api: APIClient) -> None:
    response = api.post("/api/tokens", {"name": "x", "value": SECRET, "encrypted_value": "gAAAA"})
    assert (response.json()["error"]["code"], response.json()["error"]["path"]) == ("unknown_field", "encrypted_value")


def imported(owner: User, body: dict[str, Any]) -> tuple[Token, list[dict[str, str]]]:
    serializer = TokenSerializer(data=body, context={"importing": True})
    serializer.is_valid(raise_exception=True)
    made = documents.import_document(actor=owner, model=Token, values=serializer.validated_data)
    return made.document, serializer.notes  # type: ignore[return-value]


def test_an_import_leaves_out_what_it_cannot_open_and_says_so(owner: User) -> None:
    token, notes = imported(owner, {"id": "65f0c1", "name": "github", "encrypted_value": "x" * 40})
    assert (token.pk, token.hint) == ("65f0c1", "")
    assert Token.objects.filter(value=None).get() == token
    assert notes == [{"path": "value", "message": "came without a value that can be opened here; set it anew"}]


def test_an_import_seals_a_plain_value(owner: User) -> None:
    _, notes = imported(owner, {"_id": "t", "name": "github", "value": SECRET})
    assert (stored_secret(), Token.objects.get().hint, notes) == (SECRET, "sk-...9f2c", [])


def test_a_token_is_never_public(api: APIClient) -> None:
    response = api.post("/api/tokens", {"name": "x", "value": SECRET, "visibility": "public"})
    assert response.status_code == 400
    assert (response.json()["error"]["code"], response.json()["error"]["path"]) == ("invalid_choice", "visibility")
    assert not Token.objects.exists()


def test_who_may_use_a_token_is_who_may_change_it(owner: User, team: Team, teammate: User, viewer: User) -> None:
    token = TokenFactory.create(owner=owner, team=team, visibility="team")
    assert Token.objects.visible_to(viewer).get() == token
    assert not Token.objects.usable_by(viewer).exists()
    assert Token.objects.usable_by(teammate).get() == token


def test_a_token_in_use_is_not_deleted(api: APIClient, owner: User) -> None:
    made = make(api)
    reference = {"token": made["_id"]}
    config = {"url": "https://example.org/mcp", "headers": {"Authorization": {**reference, "prefix": "Bearer "}}}
    server = McpServerFactory.create(owner=owner, connection_config=config)
    provider = ProviderFactory.create(owner=owner, config={"kind": "openai", **reference})
    source = KnowledgeSourceFactory.create(owner=owner, type="pgvector", connection_config={"connection": reference})
    response = api.delete(f"/api/tokens/{made['_id']}")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "in_use")
    users = [f"knowledge-sources/{source.pk}", f"mcp-servers/{server.pk}", f"providers/{provider.pk}"]
    assert response.json()["error"]["users"] == users
    assert Token.objects.exists()


def test_what_lets_a_token_go_sets_it_free(api: APIClient, owner: User) -> None:
    made = make(api)
    config = {"kind": "openai", "token": made["_id"]}
    provider = api.post("/api/providers", {"name": "p", "config": config}).json()
    assert api.delete(f"/api/tokens/{made['_id']}").status_code == 409
    assert api.patch(f"/api/providers/{provider['_id']}", {"config": {"kind": "openai"}}).status_code == 200
    assert api.delete(f"/api/tokens/{made['_id']}").status_code == 204


def test_tokens_are_found_by_name_and_visibility(api: APIClient, owner: User) -> None:
    for name, visibility in (("a", "private"), ("b", "team")):
        TokenFactory.create(owner=owner, name=name, visibility=visibility)
    assert [row["name"] for row in api.get("/api/tokens?name=a").json()["results"]] == ["a"]
    assert [row["name"] for row in api.get("/api/tokens?visibility=team").json()["results"]] == ["b"]
    assert [row["name"] for row in api.get("/api/tokens?ordering=-name").json()["results"]] == ["b", "a"]


@pytest.fixture
def admin(staff: User, client: Client) -> Client:
    client.force_login(staff)
    return client


def test_the_admin_takes_a_value_and_never_shows_it(admin: Client, owner: User) -> None:
    form = {"name": "t", "value": SECRET, "owner": owner.pk, "visibility": "private"}
    refused = admin.post("/admin/agents/token/add/", {**form, "visibility": "public"})
    assert "a token is private, or its team&#x27;s" in refused.content.decode()
    assert SECRET not in refused.content.decode()
    assert admin.post("/admin/agents/token/add/", form).status_code == 302
    page = admin.get(f"/admin/agents/token/{Token.objects.get().pk}/change/").content.decode()
    assert 'type="password"' in page
    assert "sk-...9f2c" in page
    assert SECRET not in page + admin.get("/admin/agents/token/").content.decode()
    assert Token.objects.get().value is not None
    assert Token.objects.get().value.token not in page


def test_the_admin_wants_a_value_once_and_keeps_it(admin: Client, owner: User) -> None:
    form = {"name": "t", "value": "", "owner": owner.pk, "visibility": "private"}
    assert "a token needs a value" in admin.post("/admin/agents/token/add/", form).content.decode()
    admin.post("/admin/agents/token/add/", {**form, "value": SECRET})
    url = f"/admin/agents/token/{Token.objects.get().pk}/change/"
    assert admin.post(url, {**form, "name": "renamed", "expected_version": 1}).status_code == 302
    assert (Token.objects.get().name, stored_secret()) == ("renamed", SECRET)
    assert admin.post(url, {**form, "value": "sk-new-horse-battery-1111", "expected_version": 2}).status_code == 302
    assert (stored_secret(), Token.objects.get().hint) == ("sk-new-horse-battery-1111", "sk-...1111")


def test_a_secret_stands_in_no_answer_log_or_repr(
    api: APIClient, admin: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = make(api)
    url = f"/api/tokens/{made['_id']}"
    answers: list[Any] = [
        api.get(url),
        api.get("/api/tokens"),
        api.get(url, headers={"Accept": "text/html"}),
        api.patch(url, {"value": SECRET, "name": ""}),
        api.patch(url, {"value": [SECRET]}),
        api.post("/api/tokens", {"name": "github", "value": SECRET}),
        admin.get(f"/admin/agents/token/{made['_id']}/history/"),
    ]
    token = Token.objects.get()
    shown = "".join(answer.content.decode() for answer in answers) + caplog.text
    shown += repr(token) + str(token) + repr(token.__dict__) + repr(token.value)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 400, 400, 409, 200]
    assert SECRET not in shown
    assert token.value is not None
    assert token.value.token not in shown

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from agents.api.mcp_servers import McpServerSerializer
from agents.models import McpServer
from billing import documents
from billing.models import Team, User
from gofannon.lib.errors import ApiError
from tests.factories.agents import AgentFactory, McpServerFactory, TokenFactory

pytestmark = pytest.mark.django_db

URL = "https://mcp.example.org/mcp"


def post(api: APIClient, transport: str = "http", config: Any = None, **fields: Any) -> Any:
    config = {"url": URL} if config is None else config
    body = {"name": "tools", "transport_type": transport, "connection_config": config, **fields}
    return api.post("/api/mcp-servers", body)


def refusal(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("path")


def test_the_texts_own_fields_make_a_server(api: APIClient) -> None:
    made = post(api, "sse", tags=["b", "a"], status="registered").json()
    shown = {name: made[name] for name in ("name", "transport_type", "connection_config", "tags", "status")}
    assert shown == {
        "name": "tools",
        "transport_type": "sse",
        "connection_config": {"url": URL},
        "tags": ["b", "a"],
        "status": "registered",
    }
    assert (made["allowed_tools"], made["last_error"], made["tools"]) == ([], "", [])


def test_every_writable_field_is_stored(api: APIClient, owner: User, team: Team) -> None:
    token = TokenFactory.create(owner=owner)
    headers = {"Authorization": {"token": token.pk, "prefix": "Bearer "}, "X-Team": "red"}
    given: dict[str, Any] = {
        "connection_config": {"url": URL, "headers": headers},
        "tags": ["t"],
        "allowed_tools": ["search", "fetch"],
    }
    made = post(api, config=given.pop("connection_config"), team_id=team.pk, visibility="team", **given).json()
    assert {name: made[name] for name in given} == given
    assert made["connection_config"] == {"url": URL, "headers": headers}
    assert (made["team_id"], made["visibility"]) == (team.pk, "team")
    assert api.get(f"/api/mcp-servers/{made['_id']}").json() == made


def test_what_the_platform_found_out_is_not_for_clients_to_write(api: APIClient) -> None:
    assert refusal(post(api, status="connected")) == (400, "read_only", "status")
    made = post(api).json()
    url = f"/api/mcp-servers/{made['_id']}"
    for name, value in (("status", "connected"), ("last_error", "x"), ("tools", [{"name": "x"}])):
        assert refusal(api.patch(url, {name: value})) == (400, "read_only", name)
    assert api.get(url).json() == made


@pytest.mark.parametrize(
    ("transport", "config", "code", "path"),
    [
        ("pigeon", {"url": URL}, "invalid_choice", "transport_type"),
        ("http", {}, "required", "connection_config.url"),
        ("http", {"url": URL, "colour": 1}, "unknown_field", "connection_config.colour"),
        ("http", {"url": URL, "command": "x"}, "unknown_field", "connection_config.command"),
        ("http", {"url": 5}, "invalid", "connection_config.url"),
        ("http", {"url": "ftp://example.org"}, "invalid_url", "connection_config.url"),
        ("http", {"url": "https://"}, "invalid_url", "connection_config.url"),
        ("http", {"url": "https://[::1"}, "invalid_url", "connection_config.url"),
        ("sse", {"url": URL, "headers": {"A": 5}}, "invalid", "connection_config.headers.A"),
        ("sse", {"url": URL, "headers": {"A b": "x"}}, "invalid", "connection_config.headers.A b"),
        ("sse", {"url": URL, "headers": {"A": "x\r\nB: y"}}, "invalid", "connection_config.headers.A"),
        ("sse", {"url": URL, "headers": {"A": {"token": 1}}}, "invalid", "connection_config.headers.A.token"),
        ("sse", {"url": URL, "headers": {"A": {"tok": "x"}}}, "required", "connection_config.headers.A.token"),
    ],
)
def test_a_wrong_config_is_refused_at_its_path(
    api: APIClient, transport: str, config: Any, code: str, path: str
) -> None:
    response = post(api, transport, config)
    error = (response.json()["error"].get("errors") or [response.json()["error"]])[0]
    assert (response.status_code, error["code"], error["path"]) == (400, code, path)
    assert not McpServer.objects.exists()


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"url": URL, "headers": {"Authorization": "Bearer abcdefgh"}}, "headers.Authorization"),
        ({"url": URL, "headers": {"authorization": "x"}}, "headers.authorization"),
        ({"url": URL, "headers": {"X-Api-Key": "hunter2"}}, "headers.X-Api-Key"),
        ({"url": URL, "headers": {"Cookie": "a=b"}}, "headers.Cookie"),
        ({"url": URL, "headers": {"X-Plain": "sk-abcdefgh12345678"}}, "headers.X-Plain"),
        ({"url": "https://bob:hunter2@example.org/"}, "url"),
        ({"url": "https://example.org/?api_key=hunter2"}, "url"),
        ({"url": URL, "api_key": "hunter2"}, "api_key"),
    ],
)
def test_a_secret_written_in_plain_is_refused(api: APIClient, config: Any, path: str) -> None:
    response = post(api, config=config)
    assert refusal(response) == (400, "inline_secret", f"connection_config.{path}")
    assert "hunter2" not in response.content.decode()
    assert not McpServer.objects.exists()


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({"command": "x", "env": {"GITHUB_TOKEN": "hunter2"}}, "env.GITHUB_TOKEN"),
        ({"command": "x", "env": {"DB_PASSWORD": "hunter2"}}, "env.DB_PASSWORD"),
        ({"command": "x", "args": ["--api-key", "hunter2"]}, "args[1]"),
        ({"command": "x", "args": ["-v", "--token=hunter2"]}, "args[1]"),
        ({"command": "x", "args": ["ghp_abcdefgh12345678"]}, "args[0]"),
    ],
)
def test_a_program_is_given_no_secret_in_plain(staff: User, as_: Any, config: Any, path: str) -> None:
    assert refusal(post(as_(staff), "stdio", config)) == (400, "inline_secret", f"connection_config.{path}")


def test_staff_defines_a_program(staff: User, as_: Any) -> None:
    token = TokenFactory.create(owner=staff)
    config = {
        "command": "mcp-server-time",
        "args": ["--local-timezone", "UTC"],
        "env": {"GITHUB_TOKEN": {"token": token.pk}, "TZ": "UTC"},
        "cwd": "/srv",
    }
    response = post(as_(staff), "stdio", config)
    assert (response.status_code, response.json()["connection_config"]) == (201, config)


def test_nobody_else_defines_a_program(api: APIClient) -> None:
    assert refusal(post(api, "stdio", {"command": "sh"})) == (403, "staff_only", "transport_type")
    assert not McpServer.objects.exists()
    made = post(api).json()
    change = {"transport_type": "stdio", "connection_config": {"command": "sh"}}
    assert refusal(api.patch(f"/api/mcp-servers/{made['_id']}", change)) == (403, "staff_only", "transport_type")
    assert McpServer.objects.get().transport_type == "http"


def test_an_editor_does_not_change_the_program_of_staff(staff: User, team: Team, teammate: User, as_: Any) -> None:
    server = McpServerFactory.create(
        owner=staff, team=team, visibility="team", transport_type="stdio", connection_config={"command": "date"}
    )
    response = as_(teammate).patch(f"/api/mcp-servers/{server.pk}", {"connection_config": {"command": "sh"}})
    assert refusal(response) == (403, "staff_only", "transport_type")
    assert McpServer.objects.get().connection_config == {"command": "date"}


def with_token(token_id: str) -> dict[str, Any]:
    return {"url": URL, "headers": {"Authorization": {"token": token_id}}}


def test_a_token_that_one_may_not_use_is_unknown(
    api: APIClient, team: Team, viewer: User, stranger: User, as_: Any
) -> None:
    path = "connection_config.headers.Authorization.token"
    theirs = TokenFactory.create(owner=stranger)
    assert refusal(post(api, config=with_token(theirs.pk))) == (400, "unknown_reference", path)
    seen = TokenFactory.create(owner=team.owner, team=team, visibility="team")
    assert refusal(post(as_(viewer), config=with_token(seen.pk))) == (400, "unknown_reference", path)
    assert not McpServer.objects.exists()


def test_an_editor_cannot_send_the_owners_token_elsewhere(owner: User, team: Team, teammate: User, as_: Any) -> None:
    token = TokenFactory.create(owner=owner)
    config = with_token(token.pk)
    server = McpServerFactory.create(owner=owner, team=team, visibility="team", connection_config=config)
    client, url = as_(teammate), f"/api/mcp-servers/{server.pk}"
    response = client.patch(url, {"connection_config": {**config, "url": "https://elsewhere.example"}})
    assert refusal(response)[:2] == (400, "unknown_reference")
    assert client.patch(url, {"tags": ["fine"]}).status_code == 200
    assert McpServer.objects.get().connection_config == config


def test_a_server_that_an_agent_names_is_not_deleted(api: APIClient, owner: User) -> None:
    server = McpServerFactory.create(owner=owner)
    agent = AgentFactory.create(owner=owner, mcp_server_ids=[server.pk])
    response = api.delete(f"/api/mcp-servers/{server.pk}")
    assert refusal(response)[:2] == (409, "in_use")
    assert response.json()["error"]["users"] == [f"agents/{agent.pk}"]
    assert McpServer.objects.exists()


def test_servers_are_found_by_tag_transport_and_status(api: APIClient, owner: User) -> None:
    McpServerFactory.create(owner=owner, name="a", tags=["x", "y"], status="connected")
    McpServerFactory.create(owner=owner, name="b", transport_type="sse", tags=["y"])
    found = {
        query: [row["name"] for row in api.get(f"/api/mcp-servers?ordering=name&{query}").json()["results"]]
        for query in ("tag=x", "tag=y", "transport_type=sse", "status=connected", "name=b", "visibility=public")
    }
    assert found == {
        "tag=x": ["a"],
        "tag=y": ["a", "b"],
        "transport_type=sse": ["b"],
        "status=connected": ["a"],
        "name=b": ["b"],
        "visibility=public": [],
    }


def test_an_import_keeps_what_it_finds_except_secrets(owner: User) -> None:
    body = {
        "id": "65f0",
        "name": "old",
        "transport_type": "sse",
        "connection_config": {"endpoint": "x", "headers": {"A": {"token": "gone"}}},
        "tags": ["t"],
        "status": "connected",
    }
    serializer = McpServerSerializer(data=body, context={"importing": True})
    serializer.is_valid(raise_exception=True)
    documents.import_document(actor=owner, model=McpServer, values=serializer.validated_data)
    server = McpServer.objects.get()
    assert (server.pk, server.status, server.listed("tags")) == ("65f0", "connected", ["t"])
    secret = {**body, "connection_config": {"headers": {"Authorization": "Bearer hunter2"}}}
    with pytest.raises(ApiError) as refused:
        McpServerSerializer(data=secret, context={"importing": True}).is_valid(raise_exception=True)
    assert (refused.value.code, refused.value.path) == ("inline_secret", "connection_config.headers.Authorization")


def test_the_admin_shows_a_refusal_at_its_field(staff: User, owner: User, client: Client) -> None:
    client.force_login(staff)
    form = {"name": "s", "transport_type": "http", "owner": owner.pk, "visibility": "private", "tags": "a\nb"}
    config = '{"url": "https://example.org", "headers": {"Authorization": "hunter2"}}'
    response = client.post("/admin/agents/mcpserver/add/", {**form, "connection_config": config})
    assert response.status_code == 200
    errors = response.context["adminform"].form.errors
    assert list(errors) == ["connection_config"]
    assert not McpServer.objects.exists()
    response = client.post("/admin/agents/mcpserver/add/", {**form, "connection_config": f'{{"url": "{URL}"}}'})
    assert response.status_code == 302
    assert McpServer.objects.get().listed("tags") == ["a", "b"]

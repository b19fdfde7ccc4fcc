from typing import Any

import pytest
from django.db import IntegrityError
from django.test import Client
from rest_framework.test import APIClient

from agents.api.providers import ProviderSerializer
from agents.models import Provider
from billing.models import Team, User
from gofannon.lib.errors import ApiError
from tests.factories.agents import AgentFactory, ProviderFactory, TokenFactory

pytestmark = pytest.mark.django_db


def post(api: APIClient, config: Any, **fields: Any) -> Any:
    return api.post("/api/providers", {"name": "models", "config": config, **fields})


def refusal(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("path")


def test_the_texts_own_fields_make_a_provider(api: APIClient) -> None:
    made = post(api, {"kind": "anthropic"}).json()
    assert (made["name"], made["config"], made["is_default"]) == ("models", {"kind": "anthropic"}, False)


def test_every_key_of_a_config_is_stored(staff: User, as_: Any) -> None:
    config = {
        "kind": "openai",
        "base_url": "https://models.example.org/v1",
        "default_model": "small",
        "models": ["small", "large"],
        "token": TokenFactory.create(owner=staff).pk,
        "timeout_seconds": 30,
        "prices": {"small": {"input": 0.15, "output": 0.6, "cache_read": 0.05}},
    }
    made = post(as_(staff), config, is_default=True).json()
    assert (made["config"], made["is_default"]) == (config, True)


def test_a_scripted_provider_has_replies(api: APIClient) -> None:
    config = {
        "kind": "scripted",
        "replies": ["hello", {"text": "call", "args": {"api_key": "no secret", "token": "x"}}],
    }
    made = post(api, {**config, "repeat": True})
    assert (made.status_code, made.json()["config"]) == (201, {**config, "repeat": True})


@pytest.mark.parametrize(
    ("config", "code", "path"),
    [
        ({}, "required", "config.kind"),
        ({"kind": "abacus"}, "invalid_choice", "config.kind"),
        ({"kind": 5}, "invalid_choice", "config.kind"),
        ({"kind": "openai", "colour": 1}, "unknown_field", "config.colour"),
        ({"kind": "openai", "replies": ["x"]}, "unknown_field", "config.replies"),
        ({"kind": "scripted", "base_url": "https://x.example"}, "unknown_field", "config.base_url"),
        ({"kind": "openai", "base_url": "x"}, "invalid_url", "config.base_url"),
        ({"kind": "openai", "timeout_seconds": 0}, "invalid", "config.timeout_seconds"),
        ({"kind": "openai", "timeout_seconds": "5"}, "invalid", "config.timeout_seconds"),
        ({"kind": "openai", "models": []}, "invalid", "config.models"),
        ({"kind": "openai", "models": ["a", "a"]}, "duplicate", "config.models"),
        ({"kind": "openai", "models": ["a"], "default_model": "b"}, "invalid_choice", "config.default_model"),
        ({"kind": "openai", "prices": {"m": {"input": -1, "output": 1}}}, "invalid", "config.prices.m.input"),
        ({"kind": "openai", "prices": {"m": {"input": 1}}}, "required", "config.prices.m.output"),
        ({"kind": "openai", "api_key": "hunter2"}, "inline_secret", "config.api_key"),
        ({"kind": "openai", "token": "sk-abcdefgh12345678"}, "inline_secret", "config.token"),
        ({"kind": "openai", "base_url": "https://a:hunter2@x.example"}, "inline_secret", "config.base_url"),
        ({"kind": "openai", "token": "hunter2"}, "unknown_reference", "config.token"),
    ],
)
def test_a_wrong_config_is_refused_at_its_path(api: APIClient, config: Any, code: str, path: str) -> None:
    response = post(api, config)
    assert refusal(response) == (400, code, path)
    assert "hunter2" not in response.content.decode()
    assert not Provider.objects.exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [("base_url", "https://x.example/v1"), ("prices", {"m": {"input": 0, "output": 0}})],
)
def test_addresses_and_prices_are_for_staff_to_set(api: APIClient, owner: User, key: str, value: Any) -> None:
    config = {"kind": "openai", key: value}
    assert refusal(post(api, config)) == (403, "staff_only", f"config.{key}")
    provider = ProviderFactory.create(owner=owner, config={"kind": "openai"})
    response = api.patch(f"/api/providers/{provider.pk}", {"config": config})
    assert refusal(response) == (403, "staff_only", f"config.{key}")
    assert Provider.objects.get().config == {"kind": "openai"}


def test_a_token_that_one_may_not_use_is_unknown(api: APIClient, team: Team, viewer: User, as_: Any) -> None:
    token = TokenFactory.create(owner=team.owner, team=team, visibility="team")
    config = {"kind": "openai", "token": token.pk}
    assert refusal(post(as_(viewer), config)) == (400, "unknown_reference", "config.token")
    assert post(api, config).status_code == 201


def test_there_is_one_default_per_owner(api: APIClient, stranger: User, as_: Any) -> None:
    first = post(api, {"kind": "openai"}, is_default=True).json()
    again = {"name": "second", "is_default": True}
    assert refusal(post(api, {"kind": "google"}, **again)) == (409, "duplicate", "is_default")
    assert post(as_(stranger), {"kind": "openai"}, is_default=True).status_code == 201
    assert api.patch(f"/api/providers/{first['_id']}", {"is_default": False}).json()["is_default"] is False
    assert post(api, {"kind": "google"}, **again).status_code == 201


def test_the_database_holds_one_default_per_owner_too(owner: User) -> None:
    ProviderFactory.create(owner=owner, is_default=True)
    with pytest.raises(IntegrityError):
        ProviderFactory.create(owner=owner, is_default=True)


def test_an_import_takes_any_config_without_a_secret() -> None:
    body = {"id": "p", "name": "n", "config": {"vendor": "x"}}
    assert ProviderSerializer(data=body, context={"importing": True}).is_valid()
    body["config"] = {"vendor": "x", "apiKey": "hunter2"}
    with pytest.raises(ApiError) as refused:
        ProviderSerializer(data=body, context={"importing": True}).is_valid()
    assert (refused.value.code, refused.value.path) == ("inline_secret", "config.apiKey")


def test_a_provider_that_an_agent_names_is_not_deleted(api: APIClient, owner: User) -> None:
    provider = ProviderFactory.create(owner=owner)
    agent = AgentFactory.create(owner=owner, provider=provider)
    response = api.delete(f"/api/providers/{provider.pk}")
    assert refusal(response)[:2] == (409, "in_use")
    assert response.json()["error"]["users"] == [f"agents/{agent.pk}"]
    assert Provider.objects.exists()


def test_providers_are_found_by_name_and_default(api: APIClient, owner: User) -> None:
    ProviderFactory.create(owner=owner, name="a", is_default=True)
    ProviderFactory.create(owner=owner, name="b")
    found = {
        query: [row["name"] for row in api.get(f"/api/providers?{query}").json()["results"]]
        for query in ("is_default=true", "is_default=false", "name=b", "visibility=public")
    }
    assert found == {"is_default=true": ["a"], "is_default=false": ["b"], "name=b": ["b"], "visibility=public": []}


def test_the_admin_shows_a_refusal_at_its_field(staff: User, owner: User, client: Client) -> None:
    client.force_login(staff)
    form = {"name": "p", "config": '{"kind": "openai", "api_key": "hunter2"}', "owner": owner.pk}
    response = client.post("/admin/agents/provider/add/", {**form, "visibility": "private"})
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == ["config"]
    assert not Provider.objects.exists()

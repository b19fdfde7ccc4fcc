from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from agents.api.guardrails import GuardrailSerializer
from agents.models import Guardrail
from agents.specs import GUARDRAIL_TYPES, parse_guardrail
from agents.specs.guardrails import CHECKS
from billing import documents
from billing.models import User
from tests.factories.agents import AgentFactory, GuardrailFactory

pytestmark = pytest.mark.django_db

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}
# A complete configuration of each check.
FULL: dict[str, dict[str, Any]] = {
    "regex": {"action": "redact", "patterns": [r"\d{4}", "(?i)internal"], "max_match": 40},
    "denylist": {"action": "block", "words": ["foo", "bar"]},
    "pii": {"action": "redact", "kinds": ["email", "iban"]},
    "secret": {"action": "redact"},
    "length": {"action": "block", "max": 100, "min": 1},
    "injection": {"action": "flag"},
    "judge": {"action": "block", "prompt": "Is it polite?", "model": "openai/gpt-5-mini"},
    "json_schema": {"action": "block", "schema": SCHEMA},
    "allow": {"action": "block", "tools": ["web.fetch"]},
    "deny": {"action": "block", "tools": ["shell"]},
    "arguments_schema": {"action": "block", "tool": "search", "schema": SCHEMA},
}
ALLOWED = [(type_, check) for type_, (_, checks) in GUARDRAIL_TYPES.items() for check in checks]
FORBIDDEN = [(type_, check) for type_ in GUARDRAIL_TYPES for check in CHECKS if (type_, check) not in ALLOWED]


def post(api: APIClient, type_: str, config: Any, **fields: Any) -> Any:
    return api.post("/api/guardrails", {"name": "rule", "type": type_, "config": config, **fields})


def refusal(response: Any) -> tuple[int, str, str | None]:
    error = response.json()["error"]
    return response.status_code, error["code"], error.get("path")


def test_the_texts_own_fields_make_a_guardrail(api: APIClient) -> None:
    config = {"check": "length", "action": "block", "max": 10}
    made = post(api, "prompt", config, description="short ones").json()
    shown = {name: made[name] for name in ("name", "description", "type", "config")}
    assert shown == {"name": "rule", "description": "short ones", "type": "prompt", "config": config}


def test_the_table_of_types_and_checks_is_whole() -> None:
    assert len(ALLOWED) == 23
    assert {check for _, check in ALLOWED} == set(CHECKS) == set(FULL)


@pytest.mark.parametrize(("type_", "check"), ALLOWED)
def test_a_type_allows_its_checks(api: APIClient, type_: str, check: str) -> None:
    config = {"check": check, **FULL[check], "points": list(GUARDRAIL_TYPES[type_][0])}
    made = post(api, type_, config, tags=["t"])
    assert made.status_code == 201, made.json()
    assert (made.json()["config"], made.json()["tags"]) == (config, ["t"])


@pytest.mark.parametrize(("type_", "check"), FORBIDDEN)
def test_a_type_refuses_the_others(api: APIClient, type_: str, check: str) -> None:
    response = post(api, type_, {"check": check, **FULL[check]})
    assert refusal(response) == (400, "invalid_choice", "config.check")
    assert not Guardrail.objects.exists()


@pytest.mark.parametrize(
    ("type_", "point"),
    [
        (type_, point)
        for type_, (points, _) in GUARDRAIL_TYPES.items()
        for point in ("before_prompt", "before_run", "after_answer", "before_tool", "after_tool")
        if point not in points
    ],
)
def test_a_type_refuses_the_points_of_others(api: APIClient, type_: str, point: str) -> None:
    response = post(api, type_, {"check": "pii", "action": "block", "points": [point]})
    assert refusal(response) == (400, "invalid_choice", "config.points[0]")


@pytest.mark.parametrize(
    ("type_", "config", "code", "path"),
    [
        ("content_filter", {"check": "pii", "action": "block"}, "invalid_choice", "type"),
        ("prompt", {"action": "block"}, "required", "config.check"),
        ("prompt", {"check": ["pii"], "action": "block"}, "invalid_choice", "config.check"),
        ("prompt", {"check": "pii"}, "required", "config.action"),
        ("prompt", {"check": "pii", "action": "explode"}, "invalid_choice", "config.action"),
        ("prompt", {"check": "pii", "action": "block", "x": 1}, "unknown_field", "config.x"),
        ("prompt", {"check": "pii", "action": "block", "points": ["noon"]}, "invalid_choice", "config.points[0]"),
        ("prompt", {"check": "pii", "action": "block", "points": "x"}, "invalid", "config.points"),
        ("tool", {"check": "pii", "action": "block", "points": ["after_tool"] * 2}, "duplicate", "config.points"),
        ("prompt", {"check": "pii", "action": "block", "kinds": ["shoe"]}, "invalid_choice", "config.kinds[0]"),
        ("prompt", {"check": "injection", "action": "block"}, "invalid_choice", "config.action"),
        ("prompt", {"check": "injection", "action": "redact"}, "invalid_choice", "config.action"),
        ("prompt", {"check": "length", "action": "redact", "max": 1}, "invalid_choice", "config.action"),
        ("prompt", {"check": "length", "action": "block"}, "required", "config"),
        ("prompt", {"check": "length", "action": "block", "max": 1, "min": 2}, "invalid_value", "config"),
        ("prompt", {"check": "length", "action": "block", "max": "9"}, "invalid", "config.max"),
        ("prompt", {"check": "length", "action": "block", "max": -1}, "invalid", "config.max"),
        ("prompt", {"check": "regex", "action": "block"}, "required", "config.patterns"),
        ("prompt", {"check": "regex", "action": "block", "patterns": []}, "invalid", "config.patterns"),
        ("prompt", {"check": "regex", "action": "block", "patterns": ["("]}, "invalid_pattern", "config.patterns[0]"),
        ("prompt", {"check": "regex", "action": "block", "patterns": ["a" * 1001]}, "invalid", "config.patterns[0]"),
        (
            "prompt",
            {"check": "regex", "action": "block", "patterns": ["a", "b{2,100000}"]},
            "invalid_pattern",
            "config.patterns[1]",
        ),
        ("prompt", {"check": "denylist", "action": "block", "words": []}, "invalid", "config.words"),
        ("prompt", {"check": "denylist", "action": "block", "words": ["a", "a"]}, "duplicate", "config.words"),
        ("prompt", {"check": "judge", "action": "block"}, "required", "config.prompt"),
        ("output", {"check": "json_schema", "action": "block"}, "required", "config.schema"),
        (
            "output",
            {"check": "json_schema", "action": "block", "schema": {"type": 5}},
            "invalid_schema",
            "config.schema.type",
        ),
        ("tool", {"check": "allow", "action": "block"}, "required", "config.tools"),
        ("tool", {"check": "arguments_schema", "action": "block", "schema": {}}, "required", "config.tool"),
    ],
)
def test_a_wrong_config_is_refused_at_its_path(api: APIClient, type_: str, config: Any, code: str, path: str) -> None:
    assert refusal(post(api, type_, config)) == (400, code, path)
    assert not Guardrail.objects.exists()


def test_without_points_a_guardrail_stands_at_all_of_its_type() -> None:
    assert parse_guardrail("tool", {"check": "pii", "action": "block"}).points == ("before_tool", "after_tool")
    found = parse_guardrail("tool", {"check": "pii", "action": "block", "points": ["after_tool"]})
    assert found.points == ("after_tool",)


def test_a_change_is_checked_as_a_whole(api: APIClient) -> None:
    made = post(api, "prompt", {"check": "injection", "action": "flag"}).json()
    response = api.patch(f"/api/guardrails/{made['_id']}", {"type": "tool"})
    assert refusal(response) == (400, "invalid_choice", "config.check")
    assert Guardrail.objects.get().type == "prompt"


def test_an_import_keeps_the_words_of_other_platforms(owner: User) -> None:
    body = {"id": "65f0", "name": "r", "description": "", "type": "content_filter", "config": {"blocked": ["x"]}}
    serializer = GuardrailSerializer(data=body, context={"importing": True})
    serializer.is_valid(raise_exception=True)
    documents.import_document(actor=owner, model=Guardrail, values=serializer.validated_data)
    shown = GuardrailSerializer(Guardrail.objects.get()).data
    assert (shown["_id"], shown["type"], shown["config"]) == ("65f0", "content_filter", {"blocked": ["x"]})


def test_a_guardrail_that_an_agent_names_is_not_deleted(api: APIClient, owner: User) -> None:
    guardrail = GuardrailFactory.create(owner=owner)
    agent = AgentFactory.create(owner=owner, guardrail_ids=[guardrail.pk])
    response = api.delete(f"/api/guardrails/{guardrail.pk}")
    assert refusal(response)[:2] == (409, "in_use")
    assert response.json()["error"]["users"] == [f"agents/{agent.pk}"]
    assert Guardrail.objects.exists()


def test_guardrails_are_found_by_type_tag_and_name(api: APIClient, owner: User) -> None:
    GuardrailFactory.create(owner=owner, name="a", tags=["x"])
    GuardrailFactory.create(owner=owner, name="b", type="tool")
    found = {
        query: [row["name"] for row in api.get(f"/api/guardrails?{query}").json()["results"]]
        for query in ("type=tool", "tag=x", "name=b", "visibility=public")
    }
    assert found == {"type=tool": ["b"], "tag=x": ["a"], "name=b": ["b"], "visibility=public": []}


def test_the_admin_shows_a_refusal_at_its_field(staff: User, owner: User, client: Client) -> None:
    client.force_login(staff)
    form = {"name": "r", "type": "prompt", "owner": owner.pk, "visibility": "private"}
    response = client.post("/admin/agents/guardrail/add/", {**form, "config": '{"check": "allow", "action": "block"}'})
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == ["config"]
    assert not Guardrail.objects.exists()

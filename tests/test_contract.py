"""Both source texts, field by field: what they draw is imported, kept and served under the very same names."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import User
from gofannon import importing
from gofannon.lib.errors import ApiError

pytestmark = pytest.mark.django_db

AGENT_ID = "550e8400-e29b-41d4-a716-446655440000"
USER_ID = "user_google_123456789"

# The texts' own examples, completed where the text writes an ellipsis.
EXAMPLES: dict[str, dict[str, Any]] = {
    "agents": {
        "_id": AGENT_ID,
        "name": "MyAgent",
        "description": "Description of what agent does",
        "code": "def handler(event):\n return {}",
        "friendly_name": "my-agent",
        "tools": {"web": ["web_search", "web_fetch"], "data": ["sql_query"]},
        "input_schema": {"query": "string", "max_results": "integer"},
        "output_schema": {"results": "array", "count": "integer"},
        "gofannon_agents": ["agent-id-1", "agent-id-2"],
        "created_at": "2024-01-15T10:30:00Z",
        "updated_at": "2024-01-15T10:30:00Z",
    },
    "deployments": {"_id": "my-friendly-name", "agentId": AGENT_ID},
    "users": {
        "_id": USER_ID,
        "basic_info": {
            "display_name": "John Doe",
            "email": "john@example.com",
            "picture_url": "https://example.com/john.png",
            "provider": "google",
        },
        "billing_info": {
            "plan": "free",
            "status": "active",
            "stripe_customer_id": "cus_123",
            "subscription_id": "sub_123",
        },
        "usage_info": {
            "monthly_allowance": 100.0,
            "spend_remaining": 87.50,
            "usage": [
                {
                    "timestamp": "2024-01-15T10:30:00Z",
                    "response_cost": 0.05,
                    "agent_id": "agent-id",
                    "session_id": "session-id",
                }
            ],
            "last_reset": "2024-01-01T00:00:00Z",
        },
        "api_keys": {
            "openai_api_key": "sk-0123456789abcdef9f2c",
            "anthropic_api_key": "sk-ant-0123456789abcdef",
            "gemini_api_key": "AIza0123456789abcdefgh",
            "perplexity_api_key": "pplx-0123456789abcdef",
        },
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": "2024-01-15T10:30:00Z",
    },
    "sessions": {
        "_id": "session_abc123",
        "user_id": USER_ID,
        "agent_id": AGENT_ID,
        "messages": [
            {"role": "user", "content": "Hello, agent!", "timestamp": "2024-01-15T10:30:00Z"},
            {"role": "assistant", "content": "Hello! How can I help?", "timestamp": "2024-01-15T10:30:05Z"},
        ],
        "metadata": {"ip_address": "192.168.1.1", "user_agent": "Mozilla/5.0...", "tags": ["support", "billing"]},
        "created_at": "2024-01-15T10:30:00Z",
        "updated_at": "2024-01-15T10:35:00Z",
        "expires_at": "2024-01-16T10:30:00Z",
    },
    "tickets": {
        "_id": "ticket_xyz789",
        "status": "pending",
        "created_at": "2024-01-15T10:30:00Z",
        "updated_at": "2024-01-15T10:35:00Z",
        "request": {"agent_id": "agent-id", "input": {"query": "..."}, "user_id": "user_id"},
        "result": {"output": {"results": []}, "cost": 0.05, "completed_at": "2024-01-15T10:35:00Z"},
        "error": None,
    },
    "demos": {
        "_id": "demo_chat_app",
        "name": "Interactive Chat Demo",
        "description": "A demo showing chat capabilities",
        "agent_id": "agent-id",
        "config": {"theme": "dark", "max_messages": 50, "features": ["markdown", "code_highlighting"]},
        "is_public": True,
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": "2024-01-15T10:30:00Z",
    },
    "mcp-servers": {
        "_id": "mcp1",
        "name": "files",
        "transport_type": "stdio",
        "connection_config": {"command": "mcp-files", "args": ["/data"]},
        "tags": ["a", "b"],
        "status": "connected",
    },
    "skills": {"_id": "s1", "name": "Skill name", "description": "d", "instructions": "i", "tags": ["t"]},
    "workflows": {
        "_id": "w1",
        "agent_id": "agent-id",
        "model": "gpt-4.1",
        "max_turns": 10,
        "current_turn": 3,
        "status": "max_turns",
        "output_format": "json",
        "infinite_session": True,
        "caveman": True,
        "usage": {"premium_req": 2, "in_tok": 10, "out_tok": 20, "cache_read": 5, "cache_write": 1, "cost": 0.25},
        "skill_ids": ["s1", "nobody"],
        "messages": [{"role": "user", "content": "hi", "tool_calls": None}],
        "logs": [{"timestamp": "2024-01-15T10:30:00Z", "event": "turn", "detail": {"n": 1}}],
    },
    "knowledge-sources": {
        "_id": "k1",
        "name": "docs",
        "type": "url",
        "connection_config": {"url": "https://example.com"},
        "tags": ["t"],
    },
    "knowledge-items": {
        "_id": "i1",
        "source_id": "k1",
        "content": "text",
        "content_type": "text/markdown",
        "tags": ["t"],
    },
    "guardrails": {"_id": "g1", "name": "g", "description": "d", "type": "prompt", "config": {"anything": 1}},
    "providers": {"_id": "p1", "name": "openai", "config": {"kind": "openai"}},
    "tokens": {"_id": "t1", "name": "github"},
    "task-executions": {
        "_id": "x1",
        "workflow_id": "w1",
        "status": "failed",
        "error": "boom",
        "created_at": "2024-01-15T10:30:00Z",
        "completed_at": "2024-01-15T10:31:00Z",
    },
}
MASKED = {
    "openai_api_key": "sk-...9f2c",
    "anthropic_api_key": "sk-...cdef",
    "gemini_api_key": "AIz...efgh",
    "perplexity_api_key": "ppl...cdef",
}
# What an agent of the second text adds to the one of the first.
AGENT_B = {
    "id": "b1",
    "name": "b",
    "description": "d",
    "system_prompt": "be brief",
    "model": "gpt-4.1",
    "mcp_server_ids": ["mcp1", "nobody"],
    "mcp_server_tags": ["web"],
}
DANGLING = {
    "agents": ["gofannon_agents[0]", "gofannon_agents[1]"],
    "deployments": ["agent_id"],
    "sessions": ["user_id", "agent_id"],
    "tickets": ["request.agent_id", "request.user_id"],
    "demos": ["agent_id"],
    "workflows": ["agent_id", "skill_ids[0]", "skill_ids[1]"],
    "knowledge-items": ["source_id"],
    "task-executions": ["workflow_id"],
}


def read_back(staff: User, as_: Any, collection: str, id_: str) -> dict[str, Any]:
    response = as_(staff).get(f"/api/{collection}/{id_}")
    assert response.status_code == 200, response.content
    document: dict[str, Any] = response.json()
    return document


@pytest.mark.parametrize("collection", EXAMPLES)
def test_the_texts_own_example_is_read_back_equal(staff: User, as_: Any, collection: str) -> None:
    example = EXAMPLES[collection]
    imported = importing.import_document(actor=staff, collection=collection, document=example)
    assert sorted(found["path"] for found in imported.dangling) == sorted(DANGLING.get(collection, []))
    if collection in {"knowledge-items", "task-executions"}:  # seen through what contains them
        parent = "knowledge-sources" if collection == "knowledge-items" else "workflows"
        importing.import_document(actor=staff, collection=parent, document=EXAMPLES[parent])
    shown = read_back(staff, as_, collection, example["_id"])
    expected = {**example, "api_keys": MASKED} if collection == "users" else example
    assert {name: shown[name] for name in expected} == expected


def test_the_second_texts_agent_is_read_back_equal(staff: User, as_: Any) -> None:
    importing.import_document(actor=staff, collection="agents", document=AGENT_B)
    shown = read_back(staff, as_, "agents", "b1")
    assert {name: shown["_id" if name == "id" else name] for name in AGENT_B} == AGENT_B


@pytest.mark.parametrize("collection", EXAMPLES)
def test_an_id_is_imported_once(staff: User, collection: str) -> None:
    for parent in ("knowledge-sources", "workflows"):
        if parent != collection:
            importing.import_document(actor=staff, collection=parent, document=EXAMPLES[parent])
    importing.import_document(actor=staff, collection=collection, document=EXAMPLES[collection])
    with pytest.raises(ApiError) as refusal:
        importing.import_document(actor=staff, collection=collection, document=EXAMPLES[collection])
    assert refusal.value.code == "duplicate"


@pytest.mark.parametrize("collection", EXAMPLES)
def test_a_field_that_no_text_knows_is_refused(staff: User, collection: str) -> None:
    document = {**EXAMPLES[collection], "colour": "red"}
    with pytest.raises(ApiError) as refusal:
        importing.import_document(actor=staff, collection=collection, document=document)
    assert (refusal.value.code, refusal.value.path) == ("unknown_field", "colour")


FIELDS_A = {
    "agents": "_id name description code friendly_name tools input_schema output_schema gofannon_agents "
    "created_at updated_at",
    "deployments": "_id agentId",
    "users": "_id basic_info billing_info usage_info api_keys created_at updated_at",
    "sessions": "_id user_id agent_id messages metadata created_at updated_at expires_at",
    "tickets": "_id status created_at updated_at request result error",
    "demos": "_id name description agent_id config is_public created_at updated_at",
}
FIELDS_B = {
    "agents": "_id name description system_prompt model mcp_server_ids mcp_server_tags",
    "mcp-servers": "_id name transport_type connection_config tags status",
    "skills": "_id name description instructions tags",
    "workflows": "_id agent_id model max_turns current_turn status output_format infinite_session caveman usage "
    "skill_ids messages logs",
    "knowledge-sources": "_id name type connection_config tags",
    "knowledge-items": "_id source_id content content_type tags",
    "guardrails": "_id name description type config",
    "providers": "_id name config",
    # encrypted_value is served nowhere: a token shows its hint.
    "tokens": "_id name hint",
    "task-executions": "_id workflow_id status error created_at completed_at",
}


@pytest.mark.parametrize(("collection", "fields"), [*FIELDS_A.items(), *FIELDS_B.items()])
def test_every_field_of_both_texts_is_in_the_schema(api: APIClient, collection: str, fields: str) -> None:
    schema = api.get("/api/schema?format=json").json()
    operation = schema["paths"][f"/api/{collection}/{{id}}"]["get"]
    reference = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    properties = schema["components"]["schemas"][reference.rsplit("/", 1)[1]]["properties"]
    assert set(fields.split()) <= set(properties)


NESTED = {
    ("users", "basic_info"): "display_name email picture_url provider",
    ("users", "billing_info"): "plan status stripe_customer_id subscription_id",
    ("users", "usage_info"): "monthly_allowance spend_remaining usage last_reset",
    ("tickets", "request"): "agent_id input user_id",
    ("tickets", "result"): "output cost completed_at",
    ("sessions", "metadata"): "ip_address user_agent tags",
    ("demos", "config"): "theme max_messages features",
    ("workflows", "usage"): "premium_req in_tok out_tok cache_read cache_write cost",
}


@pytest.mark.parametrize(("place", "fields"), NESTED.items())
def test_nested_objects_are_served_whole(staff: User, as_: Any, place: tuple[str, str], fields: str) -> None:
    collection, name = place
    importing.import_document(actor=staff, collection=collection, document=EXAMPLES[collection])
    shown = read_back(staff, as_, collection, EXAMPLES[collection]["_id"])
    assert set(fields.split()) <= set(shown[name])

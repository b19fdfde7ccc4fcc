"""The JSON columns of an agent's parts, parsed once at the border into frozen specs. Pure.

Each `parse_*` takes the column as stored and raises ApiError with the path of what is wrong; nothing deeper sees
a dict.
"""

from agents.specs.base import TokenReference, Value
from agents.specs.guardrails import GUARDRAIL_TYPES, GuardrailSpec, parse_guardrail
from agents.specs.knowledge import KNOWLEDGE_TYPES, KnowledgeSpec, parse_knowledge
from agents.specs.mcp import TRANSPORTS, McpConnection, RemoteConnection, StdioConnection, parse_mcp
from agents.specs.providers import PROVIDER_KINDS, ProviderSpec, parse_provider
from agents.specs.secrets import refuse_inline_secrets, token_references

__all__ = [
    "GUARDRAIL_TYPES",
    "KNOWLEDGE_TYPES",
    "PROVIDER_KINDS",
    "TRANSPORTS",
    "GuardrailSpec",
    "KnowledgeSpec",
    "McpConnection",
    "ProviderSpec",
    "RemoteConnection",
    "StdioConnection",
    "TokenReference",
    "Value",
    "parse_guardrail",
    "parse_knowledge",
    "parse_mcp",
    "parse_provider",
    "refuse_inline_secrets",
    "token_references",
]

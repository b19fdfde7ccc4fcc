"""Agents: what a team defines. With `code` a code agent, without it a prompt agent."""

from typing import Any

from django.conf import settings
from django.db import models

from agents import agent_spec, schemas
from agents.models.cycles import refuse_cycle
from billing.models import OwnedDocument
from gofannon.lib import ids
from gofannon.lib.documents import ListRow
from gofannon.lib.errors import ApiError, raise_all

MAX_STDOUT_BYTES = 4 << 20
MAX_HOST_CALLS = 10_000
MAX_CODE_CHARACTERS = 128 * 1024


class Runtime(models.TextChoices):
    AUTO = "auto", "auto: CPython where it is confined, else Monty"
    CPYTHON = "cpython", "CPython, confined"
    MONTY = "monty", "Monty, a subset of Python"


class Agent(OwnedDocument):
    KIND = "agent"
    COLLECTION = "agents"
    LISTS = (
        "mcp_server_ids",
        "mcp_server_tags",
        "gofannon_agents",
        "skill_ids",
        "skill_tags",
        "knowledge_source_ids",
        "knowledge_tags",
        "guardrail_ids",
        "guardrail_tags",
    )
    REFERENCES = {
        "mcp_server_ids": "agents.McpServer",
        "gofannon_agents": "agents.Agent",
        "skill_ids": "agents.Skill",
        "knowledge_source_ids": "agents.KnowledgeSource",
        "guardrail_ids": "agents.Guardrail",
        "provider_id": "agents.Provider",
    }

    name = models.CharField(max_length=255, db_index=True)
    description = models.TextField(blank=True)
    friendly_name = models.CharField(max_length=63, blank=True, help_text="the name under which deploy publishes it")
    code = models.TextField(
        blank=True, help_text="def handler(event), async def handler(event) or async def run(input_dict, tools)"
    )
    system_prompt = models.TextField(blank=True)
    model = models.CharField(max_length=255, blank=True, help_text="kind/model, or a model of the provider")
    provider = models.ForeignKey(
        "Provider", models.PROTECT, null=True, blank=True, related_name="+", db_constraint=False
    )
    tools = models.JSONField(default=dict, blank=True, help_text='{"category": ["name", ...]}')
    input_schema = models.JSONField(default=dict, blank=True, help_text="short form or JSON Schema")
    output_schema = models.JSONField(default=dict, blank=True, help_text="short form or JSON Schema")
    runtime = models.CharField(max_length=10, choices=Runtime.choices, default=Runtime.AUTO)
    limits = models.JSONField(default=dict, blank=True, help_text='seconds and bytes, such as {"wall_seconds": 30}')

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="agent_name_per_owner")]

    @classmethod
    def make_id(cls) -> str:
        return ids.new_uuid()

    @property
    def kind(self) -> str:
        return "code" if self.code else "prompt"

    def check_document(self, actor: Any) -> None:
        errors: list[ApiError] = []
        if self.changing("friendly_name") and self.friendly_name and not ids.is_friendly_name(self.friendly_name):
            errors.append(bad_name(self.friendly_name, path="friendly_name"))
        if self.changing("code") and len(self.code) > MAX_CODE_CHARACTERS:
            message = f"code has at most {MAX_CODE_CHARACTERS} characters"
            errors.append(ApiError(message, code="code_too_large", path="code"))
        for path in ("input_schema", "output_schema"):
            errors += schemas.problems(getattr(self, path), path) if self.changing(path) else []
        errors += agent_spec.tools_problems(self.tools) if self.changing("tools") else []
        errors += agent_spec.limits_problems(self.limits, _ceilings()) if self.changing("limits") else []
        raise_all(errors)
        if self.changing("gofannon_agents"):
            refuse_cycle(self.pk, self.intended("gofannon_agents"))


class AgentRow(ListRow):
    document = models.ForeignKey(Agent, models.CASCADE, related_name="rows")


def bad_name(name: str, *, path: str) -> ApiError:
    message = f"{name[:80]!r} is not a name of 1 to 63 lower-case letters, digits and hyphens (and not a UUID)"
    return ApiError(message, code="invalid_name", path=path)


def _ceilings() -> dict[str, float]:
    return {
        "wall_seconds": settings.SANDBOX_MAX_WALL_SECONDS,
        "cpu_seconds": settings.SANDBOX_MAX_WALL_SECONDS,
        "stdout_bytes": MAX_STDOUT_BYTES,
        "host_calls": MAX_HOST_CALLS,
        "memory_bytes": settings.SANDBOX_MAX_MEMORY_BYTES,
        "output_bytes": settings.SANDBOX_MAX_OUTPUT_BYTES,
    }

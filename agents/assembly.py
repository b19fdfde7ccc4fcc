"""From rows to frozen specs: tags become ids, and what a run needs is written down once."""

from typing import Any

from django.db.models import Q

from agents.agent_spec import AgentSpec
from agents.models import Agent, Guardrail, KnowledgeSource, McpServer, Skill, Snapshot
from billing.models import Visibility

# (list of ids, list of tags, what they name)
_TAGGED: tuple[tuple[str, str, Any], ...] = (
    ("mcp_server_ids", "mcp_server_tags", McpServer),
    ("skill_ids", "skill_tags", Skill),
    ("knowledge_source_ids", "knowledge_tags", KnowledgeSource),
    ("guardrail_ids", "guardrail_tags", Guardrail),
)
_PLAIN = ("name", "code", "system_prompt", "model", "provider_id", "runtime", "limits", "tools")
_SCHEMAS = ("input_schema", "output_schema")


def assemble(agent: Agent) -> AgentSpec:
    """The agent as it stands, its tags resolved with the owner's rights."""
    fields: dict[str, Any] = {name: getattr(agent, name) for name in (*_PLAIN, *_SCHEMAS)}
    for ids_field, tags_field, model in _TAGGED:
        fields[ids_field] = _resolved(agent, agent.listed(ids_field), agent.listed(tags_field), model)
    return AgentSpec(
        agent_id=agent.pk, owner_id=agent.owner_id, gofannon_agents=agent.listed("gofannon_agents"), **fields
    )


def snapshot(agent: Agent) -> Snapshot:
    """The stored snapshot of the agent as it stands."""
    return Snapshot.of(assemble(agent).model_dump(mode="json"))


def _resolved(agent: Agent, named: list[str], tags: list[str], model: Any) -> list[str]:
    """The named ids in their order, then those that carry a tag, oldest first.

    A tag finds objects of the owner, of the agent's team and those that staff has published, so that nobody injects
    a tool by publishing a tag.
    """
    if not tags or "tags" not in model.LISTS:
        return named
    trusted = Q(visibility="public", owner__is_staff=True)
    if agent.team_id and agent.visibility != Visibility.PRIVATE:
        # Others edit this agent: its tags reach what they may see too, and nothing that is the owner's alone.
        trusted |= Q(owner_id=agent.owner_id, visibility="public") | Q(visibility="team", team_id=agent.team_id)
    else:
        trusted |= Q(owner_id=agent.owner_id)
    rows = model.objects.filter(trusted, archived_at=None, rows__field="tags", rows__value__in=tags)
    tagged = rows.distinct().order_by("created_at", "pk").values_list("pk", flat=True)
    return [*named, *(pk for pk in tagged if pk not in named)]


def visible_parts(spec: AgentSpec, user: Any) -> dict[str, list[str]]:
    """The resolved ids, as far as the user may see what they name."""
    found = {}
    for name, model in (*((ids, model) for ids, _, model in _TAGGED), ("gofannon_agents", Agent)):
        named: list[str] = getattr(spec, name)
        seen = set(model.objects.visible_to(user).filter(pk__in=named).values_list("pk", flat=True)) if named else set()
        found[name] = [pk for pk in named if pk in seen]
    return found

"""Agents may call agents, but never in a circle."""

from django.apps import apps

from gofannon.lib.errors import ApiError


def refuse_cycle(agent_id: str, callees: list[str]) -> None:
    """Raises ApiError `cycle` where one of `callees` leads back to the agent. One query per level of calls."""
    rows = apps.get_model("agents", "AgentRow")._default_manager
    seen: set[str] = set()
    level = set(callees)
    while level:
        if agent_id and agent_id in level:
            message = "these agents call this one, directly or through others"
            raise ApiError(message, code="cycle", path="gofannon_agents")
        seen |= level
        found = rows.filter(field="gofannon_agents", document_id__in=level).values_list("value", flat=True)
        level = set(found) - seen

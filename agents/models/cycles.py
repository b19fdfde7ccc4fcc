"""Agents may call agents, but never in a circle."""

from django.apps import apps
from django.db import connection

from gofannon.lib.errors import ApiError

LOCK = 0x676F6661  # a number of our own among the database's advisory locks


def refuse_cycle(agent_id: str, callees: list[str]) -> None:
    """Raises ApiError `cycle` where one of `callees` leads back to the agent. One query per level of calls.

    The caller holds the transaction of the edit: two edits that close a circle together wait for each other.
    """
    if callees and connection.vendor == "postgresql":  # SQLite's writers are one at a time anyway
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
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

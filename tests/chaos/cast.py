"""Who is in a trial: callers with their keys, and the agents that they share."""

from dataclasses import dataclass

from agents import actions
from agents.models import Agent
from billing import documents
from billing.actions import create_access_key
from billing.models import User
from tests.chaos.programs import MODES, code_of, name_of

WALL_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Cast:
    """`keys` are the callers' access keys, by their number."""

    operator: User
    keys: tuple[str, ...]


def enter(runtimes: tuple[str, ...], callers: int) -> Cast:
    operator = User.objects.create_superuser("chaos-operator", None)
    leaves = [_deployed(operator, "leaf", runtime, mode, []) for runtime in runtimes for mode in MODES]
    for runtime in runtimes:
        for mode in MODES:
            _deployed(operator, "top", runtime, mode, [leaf.pk for leaf in leaves])
    users = [User.objects.create_user(f"chaos-caller-{number}") for number in range(callers)]
    keys = tuple(create_access_key(user=user, name="chaos")[1] for user in users)
    return Cast(operator, keys)


def _deployed(owner: User, role: str, runtime: str, mode: str, callees: list[str]) -> Agent:
    name = name_of(role, runtime, mode)
    values = {
        "name": name,
        "code": code_of(mode),
        "runtime": runtime,
        "tools": {"http": ["get", "send", "send_once"]},
        "gofannon_agents": callees,
        "limits": {"wall_seconds": WALL_SECONDS, "cpu_seconds": WALL_SECONDS},
        "visibility": "public",
    }
    agent: Agent = documents.create_document(actor=owner, model=Agent, values=values)
    actions.deploy_agent(actor=owner, agent=agent, name=name)
    return agent

"""What a name stands for: the snapshot that is to run, and whose it is."""

from dataclasses import dataclass
from typing import Any

from agents import assembly
from agents.agent_spec import AgentSpec
from agents.models import Agent, Deployment, Snapshot
from billing.models import User
from gofannon.lib.errors import ApiError, Conflict, NotFound
from gofannon.lib.ids import is_uuid


@dataclass(frozen=True, slots=True)
class Target:
    """What is to run: a snapshot, whose it is, and where it came from."""

    snapshot: Snapshot
    spec: AgentSpec
    owner_id: str
    deployment_id: str = ""


def find_target(*, actor: Any, name: str) -> Target:
    """A friendly name resolves through deployments; an agent's id is its draft, for its editors.

    Raises NotFound for what is not there for the actor, Conflict (`archived`) for what was withdrawn.
    """
    if "\x00" in name:
        raise NotFound("there is no such agent")
    if is_uuid(name):
        return _draft(actor, name)
    wanted = ("archived_at", "agent__archived_at", "snapshot__spec")
    named = Deployment.objects.visible_to(actor).filter(pk=name)
    # Narrow: this is the hot path of every run.
    deployment = named.select_related("snapshot", "agent").only(*wanted).first()
    if deployment is None or deployment.snapshot is None:
        raise NotFound(f"nothing is deployed as {name[:80]!r}")
    if deployment.archived_at is not None or deployment.agent.archived_at is not None:
        raise Conflict(f"{deployment.pk} is archived", code="archived")
    spec = AgentSpec.model_validate(deployment.snapshot.spec)
    return Target(deployment.snapshot, spec, spec.owner_id, deployment.pk)


def find_callee(*, caller: AgentSpec, name: str) -> Target:
    """What code of the agent `caller` may call by that name: one of its `gofannon_agents`, with its owner's rights.

    Raises as `find_target`, and NotFound for an agent that is not on its list.
    """
    owner = User.objects.filter(pk=caller.owner_id, is_active=True).first()
    if owner is None:
        raise NotFound("the agent's owner is gone")
    target = find_target(actor=owner, name=name)
    if target.spec.agent_id not in caller.gofannon_agents:
        raise NotFound(f"{name[:80]!r} is not among the gofannon_agents of {caller.name[:80]!r}")
    return target


def _draft(actor: Any, agent_id: str) -> Target:
    agent = Agent.objects.visible_to(actor).for_wire().filter(pk=agent_id).first()
    if agent is None:
        raise NotFound("there is no such agent")
    if not agent.editable_by(actor):
        message = "a draft is run by its editors; run one of its deployments"
        raise ApiError(message, code="permission_denied", status=403)
    if agent.archived_at is not None:
        raise Conflict("the agent is archived", code="archived")
    snapshot = assembly.snapshot(agent)
    return Target(snapshot, AgentSpec.model_validate(snapshot.spec), agent.owner_id)

"""What happens to agents and deployments besides plain edits."""

import re
from typing import Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from agents import assembly, checks
from agents.models import Agent, Deployment, DeploymentVersion, Snapshot
from agents.models.agent import bad_name
from billing import documents
from gofannon.lib import ids
from gofannon.lib.errors import ApiError, Conflict, NotFound


def deploy_agent(
    *, actor: Any, agent: Agent, name: str = "", visibility: str | None = None, fresh: bool = False
) -> Deployment:
    """Freezes the agent as the next version under `name` (else its friendly name, else its own name as a slug).

    Raises ApiError for code that cannot run (`syntax_error`, `no_handler`), a bad name, or a name that somebody else
    holds (409 `duplicate`) or, with `fresh`, anybody.
    """
    name = name or agent.friendly_name or _slug(agent.name)
    if not ids.is_friendly_name(name):
        raise bad_name(name, path="name")
    if agent.archived_at is not None:
        raise Conflict("an archived agent is not deployed", code="archived")
    checks.refuse_unrunnable(agent)
    with transaction.atomic():
        deployment = Deployment.objects.filter(pk=name).first()
        if deployment is None:
            values = {"id": name, "agent_id": agent.pk, "owner_id": agent.owner_id, "team_id": agent.team_id}
            values["visibility"] = visibility or agent.visibility
            deployment = documents.create_document(actor=actor, model=Deployment, values=values)
        elif fresh:
            raise Conflict(f"the name {name} is taken", code="duplicate", path="_id")
        else:
            _refuse_foreign(deployment, actor, agent)
            if visibility not in (None, deployment.visibility) and not deployment.owned_by(actor):
                message = "who sees a deployment is decided by its owner"
                raise ApiError(message, code="owner_only", path="visibility", status=403)
            deployment.agent_id = agent.pk
            deployment.visibility = visibility or deployment.visibility
        publish(actor=actor, deployment=deployment, snapshot=assembly.snapshot(agent))
    return deployment


def publish(*, actor: Any, deployment: Deployment, snapshot: Snapshot) -> None:
    """Makes `snapshot` the deployment's next version; the same content again is no new version.

    The caller holds a transaction.
    """
    rows = Deployment.objects.filter(pk=deployment.pk)
    rows.update(version=F("version") + 1)  # holds the row: two deploys at once get two numbers
    same = rows.filter(snapshot_id=snapshot.pk).exists()
    rows.update(
        agent_id=deployment.agent_id,
        visibility=deployment.visibility,
        snapshot_id=snapshot.pk,
        number=F("number") if same else _newest(deployment) + 1,
        archived_at=None,
        updated_at=timezone.now(),
    )
    deployment.refresh_from_db()
    if not same:
        DeploymentVersion.objects.create(
            deployment=deployment, number=deployment.number, snapshot=snapshot, created_by_id=actor.pk
        )


def publish_imported(*, actor: Any, deployment: Deployment) -> None:
    """Gives an imported deployment its first version: its agent as it stands."""
    agent = Agent.objects.for_wire().get(pk=deployment.agent_id)
    with transaction.atomic():
        publish(actor=actor, deployment=deployment, snapshot=assembly.snapshot(agent))


def undeploy_agent(*, actor: Any, agent: Agent, name: str = "") -> list[str]:
    """Takes back the agent's deployment `name`, or all of them; their names. Raises NotFound where there is none."""
    found = Deployment.objects.editable_by(actor).filter(agent_id=agent.pk, **({"pk": name} if name else {}))
    names = []
    for deployment in found:
        names.append(deployment.pk)
        documents.delete_document(actor=actor, document=deployment)
    if not names:
        raise NotFound(f"the agent is not deployed{f' as {name}' if name else ''}")
    return names


def roll_back(*, actor: Any, deployment: Deployment, number: int) -> Deployment:
    """Makes an earlier version answer again. Raises NotFound for a version that never was."""
    versions = DeploymentVersion.objects.select_related("snapshot")
    version = versions.filter(deployment=deployment, number=number).first()
    if version is None:
        raise NotFound(f"{deployment.pk} has no version {number}")
    if not Agent.objects.filter(pk=version.snapshot.agent_id).exists():
        raise Conflict(f"the agent of version {number} is no longer there", code="agent_gone")
    Deployment.objects.filter(pk=deployment.pk).update(
        number=number,
        snapshot_id=version.snapshot_id,
        agent_id=version.snapshot.agent_id,
        version=F("version") + 1,
        updated_at=timezone.now(),
    )
    deployment.refresh_from_db()
    return deployment


def _newest(deployment: Deployment) -> int:
    numbers = DeploymentVersion.objects.filter(deployment=deployment).order_by("-number")
    return numbers.values_list("number", flat=True).first() or 0


def _refuse_foreign(deployment: Deployment, actor: Any, agent: Agent) -> None:
    if not deployment.editable_by(actor):
        message = f"the name {deployment.pk} is taken"
        raise Conflict(message, code="duplicate", path="name")
    # Whoever calls a name trusts its owner: an editor does not put somebody else's code behind it.
    if agent.owner_id != deployment.owner_id and not (actor.is_staff or actor.pk == deployment.owner_id):
        message = f"only its owner points {deployment.pk} at an agent of somebody else"
        raise ApiError(message, code="owner_only", path="name", status=403)


def _slug(text: str) -> str:
    """`MyAgent 2` becomes `my-agent-2`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", text)
    return re.sub(r"[^a-z0-9]+", "-", spaced.lower()).strip("-")[:63].strip("-") or "agent"

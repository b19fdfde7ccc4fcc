"""Submitting, cancelling and retrying tickets."""

import secrets
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from agents import assembly, schemas
from agents.agent_spec import AgentSpec
from agents.models import Agent, Deployment, Snapshot
from gofannon.lib.errors import ApiError, Conflict, NotFound
from gofannon.lib.ids import is_uuid
from tickets.models import Ticket
from workflows import doorbell, heartbeat, transitions
from workflows.models import Run


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


def submit_ticket(
    *,
    actor: Any,
    target: Target,
    input: Any,  # noqa: A002 - the wire's name
    webhook_url: str = "",
    claim: bool = False,
    retry_of: Ticket | None = None,
) -> Ticket:
    """A ticket on a new run: rung for the workers, or (`claim`) held by this process, which then executes it.

    Raises ApiError `schema_mismatch` (400, with the path) where the input does not fit, `no_provider` for a prompt
    agent that has no model to ask. Then nothing is stored.
    """
    spec = target.spec
    if spec.kind == "prompt":
        raise ApiError("no model provider is configured for this prompt agent", code="no_provider", path="provider_id")
    schemas.check(input, spec.input_schema, "input")
    run = Run(
        kind=spec.kind,
        actor_id=actor.pk,
        owner_id=target.owner_id,
        payer_id=actor.pk,
        agent_id=spec.agent_id,
        deployment_id=target.deployment_id,
        snapshot=target.snapshot,
        limits=spec.limits.model_dump(),
        seed=secrets.randbits(62),
        input=input,
    )
    with transaction.atomic():
        transitions.create_run(run, claim=claim)
        ticket = Ticket(run=run, webhook_url=webhook_url, retry_of=retry_of, created_at=run.created_at)
        ticket.save(force_insert=True)
        if not claim:
            doorbell.ring(run.pk)
    return ticket


def cancel_ticket(*, actor: Any, ticket: Ticket) -> None:
    """Asks for its end: at once where it waits, within the holder's next beat where it runs.

    Raises Conflict (`finished`) where it has ended already.
    """
    if ticket.run.is_finished:
        raise Conflict("the ticket has ended already", code="finished")
    transitions.request_cancel(ticket.run)
    heartbeat.cancel_here(ticket.run_id)


def retry_ticket(*, actor: Any, ticket: Ticket) -> Ticket:
    """A new ticket with the same input, on what the agent's name or draft stands for now; `retry_of` names the old.

    Raises Conflict (`not_finished`) for one that has not failed.
    """
    if not ticket.run.is_finished or ticket.run.error is None:
        raise Conflict("only a failed ticket is retried", code="not_failed")
    name = ticket.run.deployment_id or ticket.run.agent_id
    target = find_target(actor=actor, name=name)
    # The result goes where the first asker wanted it only if they ask again themselves.
    webhook_url = ticket.webhook_url if ticket.run.actor_id == actor.pk else ""
    return submit_ticket(actor=actor, target=target, input=ticket.run.input, webhook_url=webhook_url, retry_of=ticket)

"""Submitting, cancelling and retrying tickets."""

from typing import Any
from urllib.parse import quote

from django.db import transaction

from gofannon.lib.errors import Conflict
from tickets.models import Ticket
from workflows import calling, heartbeat, subjects, transitions
from workflows.targets import Target, find_target

__all__ = ["Target", "cancel_ticket", "find_target", "retry_ticket", "submit_ticket"]


def submit_ticket(
    *,
    actor: Any,
    target: Target,
    input: Any,  # noqa: A002 - the wire's name
    webhook_url: str = "",
    subject: str = "",
    if_running: subjects.Policy = "enqueue",
    claim: bool = False,
    retry_of: Ticket | None = None,
) -> Ticket:
    """A ticket on a new run: rung for the workers, or (`claim`) held by this process, which then executes it.

    Of the actor's tickets on one `subject` one runs at a time, and `if_running` says what happens to another. A run
    that has to wait, for that or for its user's limit, is not claimed: look at `run.status`.
    Raises ApiError `schema_mismatch` (400, with the path) where the input does not fit, `no_provider` for a prompt
    agent that has no model to ask, Conflict `busy`. Then nothing is stored.
    """
    if subject:
        subject = _subject(actor.pk, subject)
    run = calling.run_of(target, input)
    run.actor_id = run.payer_id = actor.pk
    run.webhook_url, run.subject = webhook_url, subject
    with transaction.atomic():
        transitions.create_run(run, claim=claim, if_running=if_running)
        ticket = Ticket(run=run, webhook_url=webhook_url, retry_of=retry_of, created_at=run.created_at)
        ticket.save(force_insert=True)
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
    if target.spec.agent_id != ticket.run.agent_id and target.owner_id != ticket.run.owner_id:
        raise Conflict(f"{name} stands for somebody else's agent now", code="other_agent")
    # The result goes where the first asker wanted it only if they ask again themselves.
    webhook_url = ticket.webhook_url if ticket.run.actor_id == actor.pk else ""
    subject = ticket.run.subject.removeprefix(_subject(ticket.run.actor_id or "", ""))
    return submit_ticket(
        actor=actor, target=target, input=ticket.run.input, webhook_url=webhook_url, subject=subject, retry_of=ticket
    )


def _subject(user_id: str, name: str) -> str:
    """Everybody has their own subjects of a name."""
    return f"ticket:{quote(user_id, safe='')}:{name}"

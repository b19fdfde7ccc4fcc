"""Tickets from elsewhere: each gets a run that is history, or that waits for nobody (blocker `imported`)."""

from typing import Any

from django.db import transaction
from django.utils import timezone
from rest_framework import serializers

from agents.models import Agent
from billing.documents import Imported
from billing.models import User
from gofannon.lib.errors import Conflict
from gofannon.lib.rest.fields import AnyField, InstantField, UsdField
from gofannon.lib.rest.serializers import StrictSerializer
from tickets.models import RUN_STATUSES, Ticket, TicketStatus
from workflows import transitions
from workflows.models import Run


class RequestImport(StrictSerializer):
    agent_id = serializers.CharField(max_length=255)
    input = AnyField(required=False, allow_null=True, default=None)
    user_id = serializers.CharField(max_length=255, required=False, allow_null=True, default=None)
    deployment = serializers.CharField(max_length=255, required=False, default="")


class ResultImport(StrictSerializer):
    output = AnyField(allow_null=True)
    cost = UsdField(required=False, default=0)
    completed_at = InstantField(required=False)


class TicketImport(StrictSerializer):
    """A ticket in wire shape, its system fields included."""

    _id = serializers.CharField(source="id", max_length=255)
    status = serializers.ChoiceField(TicketStatus.choices)
    created_at = InstantField(required=False)
    updated_at = InstantField(required=False)
    request = RequestImport()
    result = ResultImport(required=False, allow_null=True, default=None)
    error = AnyField(required=False, allow_null=True, default=None)
    run_id = serializers.CharField(max_length=255, required=False)
    retry_of = serializers.CharField(max_length=255, required=False, allow_null=True, default=None)
    webhook_url = serializers.URLField(max_length=2000, required=False, allow_blank=True, default="")


def import_ticket(*, actor: Any, values: dict[str, Any]) -> Imported:
    """Stores the ticket and its run. Raises Conflict (`duplicate`) where the id is taken."""
    request, result = values["request"], values["result"]
    created = values.get("created_at") or timezone.now()
    updated = values.get("updated_at") or created
    finished = result and (result.get("completed_at") or updated)
    run = Run(
        id=values.get("run_id") or f"run_of_{values['id']}"[:255],
        kind="code",
        status=RUN_STATUSES[values["status"]][0],
        actor_id=request["user_id"],
        owner_id=actor.pk,
        payer_id=request["user_id"],
        agent_id=request["agent_id"],
        deployment_id=request["deployment"],
        input=request["input"],
        output=result["output"] if result else None,
        cost_nano=result["cost"] if result else 0,
        error=values["error"],
        created_at=created,
        updated_at=updated,
        finished_at=finished or (updated if values["error"] else None),
    )
    with transaction.atomic():
        if Ticket.objects.filter(pk=values["id"]).exists() or Run.objects.filter(pk=run.pk).exists():
            raise Conflict(f"tickets/{values['id']} exists already", code="duplicate", path="_id")
        transitions.import_run(run)
        ticket = Ticket(id=values["id"], run=run, webhook_url=values["webhook_url"], retry_of_id=values["retry_of"])
        ticket.created_at, ticket.updated_at = created, updated
        ticket.save(force_insert=True)
    return Imported(ticket, _dangling(request, values["retry_of"]))


def _dangling(request: dict[str, Any], retry_of: str | None) -> list[dict[str, str]]:
    named = [("request.agent_id", Agent, request["agent_id"]), ("request.user_id", User, request["user_id"])]
    named.append(("retry_of", Ticket, retry_of))
    return [
        {"path": path, "id": id_} for path, model, id_ in named if id_ and not model.objects.filter(pk=id_).exists()
    ]

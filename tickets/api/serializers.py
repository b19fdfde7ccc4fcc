"""The ticket on the wire."""

from functools import cached_property
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gofannon.lib import clock, money
from gofannon.lib.rest.fields import AnyField
from gofannon.lib.rest.serializers import DocumentSerializer, StrictSerializer
from tickets.models import Ticket, TicketStatus
from workflows import inside, subjects


class RequestShape(serializers.Serializer[Any]):
    agent_id = serializers.CharField()
    input = AnyField()
    user_id = serializers.CharField(allow_null=True)
    deployment = serializers.CharField(required=False, help_text="the friendly name it was asked by")


class ResultShape(serializers.Serializer[Any]):
    output = AnyField()
    cost = serializers.FloatField(help_text="USD")
    completed_at = serializers.DateTimeField()


class ErrorShape(serializers.Serializer[Any]):
    code = serializers.CharField()
    message = serializers.CharField()
    permanent = serializers.BooleanField()
    line = serializers.IntegerField(required=False, help_text="of the agent's code")
    traceback = serializers.CharField(required=False, help_text="for the agent's owner, its editors and staff alone")
    partial = AnyField(required=False)  # type: ignore[assignment]


class TicketSerializer(DocumentSerializer):
    status = serializers.SerializerMethodField()
    request = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    updated_at = serializers.SerializerMethodField()  # type: ignore[assignment]
    run_id = serializers.CharField()
    retry_of = serializers.CharField(source="retry_of_id", allow_null=True)

    class Meta(DocumentSerializer.Meta):
        model = Ticket
        fields = (
            "_id",
            "status",
            "created_at",
            "updated_at",
            "request",
            "error",
            "run_id",
            "retry_of",
            "webhook_url",
        )
        extra_kwargs: ClassVar[dict[str, Any]] = {
            "webhook_url": {"help_text": "shown to whoever asked for the ticket and to staff, otherwise empty"}
        }

    @extend_schema_field(serializers.ChoiceField(TicketStatus.choices))
    def get_status(self, ticket: Ticket) -> str:
        return ticket.status.value

    @extend_schema_field(RequestShape)
    def get_request(self, ticket: Ticket) -> dict[str, Any]:
        run = ticket.run
        named = {"deployment": run.deployment_id} if run.deployment_id else {}
        return {"agent_id": run.agent_id, "input": run.input, "user_id": run.actor_id, **named}

    @extend_schema_field(ErrorShape(allow_null=True))
    def get_error(self, ticket: Ticket) -> dict[str, Any] | None:
        run = ticket.run
        error: dict[str, Any] | None = run.error
        if not inside.has_inner(error):
            return error
        if self.context.get("to_actor"):
            shown: dict[str, Any] = inside.error_for_actor(run)
            return shown
        return error if run.pk in self._seen_inside else inside.without_inner(error)

    @cached_property
    def _seen_inside(self) -> frozenset[str]:
        """Of the page: which runs its reader may look into."""
        user: Any = self._reader
        shown: Any = self.root.instance
        tickets = shown if isinstance(shown, list) else [shown]
        return frozenset() if user is None else inside.seen_inside(user, [ticket.run for ticket in tickets])

    @extend_schema_field(serializers.DateTimeField())
    def get_updated_at(self, ticket: Ticket) -> str:
        return clock.iso(ticket.run.updated_at)

    def to_representation(self, ticket: Ticket) -> dict[str, Any]:
        """`result` is there from completion on, and not before."""
        shown: dict[str, Any] = super().to_representation(ticket)
        if not self._shows_address(ticket):
            shown["webhook_url"] = ""
        if ticket.has_result:
            shown["result"] = result_of(ticket)
        return shown

    def _shows_address(self, ticket: Ticket) -> bool:
        """An address may hold a secret of whoever asked. It is for them and for staff: the context's `request` says who
        looks, or `to_actor` that it is them.
        """
        if self.context.get("to_actor"):
            return True
        user = self._reader
        return user is not None and bool(user.is_staff or user.pk == ticket.run.actor_id)

    @property
    def _reader(self) -> Any:
        user = getattr(self.context.get("request"), "user", None)
        return None if user is None or user.pk is None else user


def result_of(ticket: Ticket) -> dict[str, Any]:
    run = ticket.run
    assert run.finished_at is not None
    return {
        "output": run.output,
        "cost": money.to_usd(run.cost_nano),
        "completed_at": clock.iso(run.finished_at),
    }


class TicketDocument(TicketSerializer):
    """The schema's view of a ticket: with its optional result."""

    result = ResultShape(required=False)

    class Meta(TicketSerializer.Meta):
        fields = (*TicketSerializer.Meta.fields, "result")  # type: ignore[assignment]


class TicketBody(StrictSerializer):
    agent_id = serializers.CharField(max_length=255, help_text="a friendly name, or an agent's id for its draft")
    input = AnyField(required=False, allow_null=True, default=dict)
    webhook_url = serializers.URLField(max_length=2000, required=False, allow_blank=True)
    subject = serializers.CharField(
        max_length=100, required=False, help_text="of your tickets on one subject, one runs at a time"
    )
    if_running = serializers.ChoiceField(
        subjects.POLICIES,
        required=False,
        help_text="what becomes of this one while another runs on its subject: `enqueue` (the default) lets it wait, "
        "`reject` answers 409 `busy`, `interrupt` cancels the other",
    )


class RunBody(StrictSerializer):
    input = AnyField(required=False, allow_null=True, default=dict)
    webhook_url = serializers.URLField(max_length=2000, required=False, allow_blank=True)


class RunAnswer(serializers.Serializer[Any]):
    ticket_id = serializers.CharField()
    output = AnyField()
    cost = serializers.FloatField(help_text="USD")


class RunAccepted(serializers.Serializer[Any]):
    ticket_id = serializers.CharField()
    status = serializers.ChoiceField(TicketStatus.choices)


class RunRefused(serializers.Serializer[Any]):
    error = ErrorShape()
    ticket_id = serializers.CharField()

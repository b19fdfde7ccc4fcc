"""`/api/tickets`: asynchronous jobs."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.documents import DocumentViewSet
from billing.idempotency import once, replayed
from tickets import actions
from tickets.api.serializers import TicketBody, TicketDocument, TicketSerializer
from tickets.models import RUN_STATUSES, Ticket, TicketStatus


class TicketFilters(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=TicketStatus.choices, method="by_status")
    agent_id = django_filters.CharFilter(field_name="run__agent_id")
    deployment = django_filters.CharFilter(field_name="run__deployment_id")
    user_id = django_filters.CharFilter(field_name="run__actor_id")
    retry_of = django_filters.CharFilter(field_name="retry_of_id")

    class Meta:
        model = Ticket
        fields: ClassVar[list[str]] = []

    def by_status(self, rows: QuerySet[Ticket], name: str, value: str) -> QuerySet[Ticket]:
        return rows.filter(run__status__in=RUN_STATUSES[value])


@extend_schema(tags=["tickets"])
@extend_schema_view(list=extend_schema(responses=TicketDocument), retrieve=extend_schema(responses=TicketDocument))
class TicketViewSet(DocumentViewSet):
    model = Ticket
    serializer_class = TicketSerializer
    filterset_class = TicketFilters
    http_method_names = ["get", "post", "head", "options"]
    heavy_columns = ("run__input", "run__output", "run__error")
    run_actions = ("create", "cancel", "retry")
    idempotent_actions = ("create", "retry")

    def get_queryset(self) -> QuerySet[Any]:
        return super().get_queryset().defer("run__stdout")

    @extend_schema(request=TicketBody, responses={201: TicketDocument})
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Submits a job; the workers take it from here."""
        known = replayed(request, self.find)
        if known is not None:
            return self._accepted(known)
        body = TicketBody(data=request.data)
        body.is_valid(raise_exception=True)
        target = actions.find_target(actor=request.user, name=body.validated_data["agent_id"])
        rest = {name: value for name, value in body.validated_data.items() if name != "agent_id"}
        ticket, _ = once(request, lambda: actions.submit_ticket(actor=request.user, target=target, **rest), self.find)
        return self._accepted(ticket)

    @extend_schema(request=None, responses={202: TicketDocument})
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Asks for the job's end."""
        ticket = self.get_object()
        actions.cancel_ticket(actor=request.user, ticket=ticket)
        ticket.run.refresh_from_db()
        return self.rendered(ticket, status.HTTP_202_ACCEPTED)

    @extend_schema(request=None, responses={201: TicketDocument})
    @action(detail=True, methods=["post"])
    def retry(self, request: Request, pk: str) -> Response:
        """A new job like a failed one."""
        ticket = self.get_object()
        again, _ = once(request, lambda: actions.retry_ticket(actor=request.user, ticket=ticket), self.find)
        return self._accepted(again)

    def _accepted(self, ticket: Ticket) -> Response:
        response = self.rendered(ticket, status.HTTP_201_CREATED)
        response["Location"] = f"/api/tickets/{ticket.pk}"
        return response

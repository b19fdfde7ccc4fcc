"""`/api/approvals` and `/api/runs/{id}/approvals`: what runs ask people, and the answers."""

from typing import Any, ClassVar

import django_filters
from django.db.models import Exists, OuterRef, Q, QuerySet, Value
from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import serializers, viewsets
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.authentication import HasScope
from billing.api.documents import StrictListing
from gofannon.lib.clock import DatabaseNow
from gofannon.lib.errors import ApiError
from gofannon.lib.rest.fields import AnyField, InstantField, ObjectField
from gofannon.lib.rest.serializers import StrictSerializer
from workflows.approvals import decidable_by, decide_approval
from workflows.models import Approval, Decision, Run

HEAVY_COLUMNS = ("effect__arguments", "result")
_ANSWERS = (Decision.ALLOW, Decision.DENY, Decision.RETRY, Decision.ACCEPT, Decision.FAIL)


class ApprovalSerializer(serializers.ModelSerializer[Approval]):
    """`decision` is empty until somebody decides; `options` are the decisions that make sense."""

    run_id = serializers.CharField(source="effect.run_id")
    call = serializers.CharField(source="effect.call")
    name = serializers.CharField(source="effect.name", help_text="of the tool")
    arguments = serializers.SerializerMethodField(help_text="null for who may not decide")
    options = serializers.ListField(child=serializers.CharField())
    decided_by = serializers.CharField(source="decided_by_id", allow_null=True)
    result = serializers.SerializerMethodField(help_text="null for who may not decide")
    requested_at = InstantField()
    expires_at = InstantField()
    decided_at = InstantField()

    class Meta:
        model = Approval
        fields = (
            "run_id",
            "call",
            "number",
            "name",
            "arguments",
            "reason",
            "options",
            "requested_at",
            "expires_at",
            "decision",
            "decided_by",
            "decided_at",
            "result",
        )

    @extend_schema_field(ObjectField(allow_null=True))
    def get_arguments(self, approval: Approval) -> Any:
        return approval.effect.arguments if getattr(approval, "decidable", False) else None

    @extend_schema_field(AnyField())
    def get_result(self, approval: Approval) -> Any:
        return approval.result if getattr(approval, "decidable", False) else None


class DecisionSerializer(StrictSerializer):
    decision = serializers.ChoiceField([answer.value for answer in _ANSWERS])
    result = AnyField(required=False, allow_null=True, help_text="with accept: what the call is taken to have answered")


class ApprovalFilters(django_filters.FilterSet):
    run_id = django_filters.CharFilter(field_name="effect__run_id")
    pending = django_filters.BooleanFilter(method="filter_pending", label="may still be decided")

    class Meta:
        model = Approval
        fields: ClassVar[list[str]] = []

    def filter_pending(self, rows: QuerySet[Approval], name: str, value: bool) -> QuerySet[Approval]:
        still_open = Q(decision="", expires_at__gt=DatabaseNow())
        return rows.filter(still_open) if value else rows.exclude(still_open)


def visible_to(user: Any) -> QuerySet[Approval]:
    """Those of the runs that a user sees, and those that they may decide without seeing the run."""
    rows = Approval.objects.select_related("effect").defer("effect__result")
    if user.is_staff:
        return rows.annotate(decidable=Value(True))
    shown = Exists(Run.objects.visible_to(user).filter(pk=OuterRef("effect__run_id")))
    rows = rows.annotate(decidable=Exists(decidable_by(user).filter(pk=OuterRef("pk"))))
    return rows.filter(Q(shown) | Q(decidable=True))


@extend_schema(tags=["runs"])
class ApprovalViewSet(StrictListing, viewsets.GenericViewSet[Approval]):
    permission_classes = [IsAuthenticated, HasScope]
    serializer_class = ApprovalSerializer
    filterset_class = ApprovalFilters
    ordering_fields = ("requested_at",)
    ordering = "-requested_at"
    heavy_columns = HEAVY_COLUMNS
    queryset = Approval.objects.none()

    def get_queryset(self) -> QuerySet[Approval]:
        return visible_to(self.request.user)


def _path(name: str) -> OpenApiParameter:
    return OpenApiParameter(name, OpenApiTypes.STR, OpenApiParameter.PATH)


@extend_schema(tags=["runs"], parameters=[_path("id")])
class RunApprovalViewSet(viewsets.GenericViewSet[Approval]):
    """Of a call that was asked about more than once, the newest question is the one shown and decided."""

    permission_classes = [IsAuthenticated, HasScope]
    serializer_class = ApprovalSerializer
    filter_backends = ()
    heavy_columns = HEAVY_COLUMNS
    queryset = Approval.objects.none()

    def list(self, request: Request, id: str) -> Response:  # noqa: A002 - the wire's name
        """What the run has asked so far, in order."""
        rows = visible_to(request.user).filter(effect__run_id=id)
        if not rows.exists() and not Run.objects.visible_to(request.user).filter(pk=id).exists():
            raise Http404
        page = self.paginate_queryset(rows.order_by("requested_at", "pk"))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    @extend_schema(parameters=[_path("call")])
    def retrieve(self, request: Request, id: str, call: str) -> Response:  # noqa: A002 - the wire's name
        return Response(self.get_serializer(self._newest(id, call)).data)

    @extend_schema(parameters=[_path("call")], request=DecisionSerializer, responses=ApprovalSerializer)
    def decide(self, request: Request, id: str, call: str) -> Response:  # noqa: A002 - the wire's name
        """Answers once; 409 `decided` for who comes later or too late."""
        approval = self._newest(id, call)
        if not decidable_by(request.user).filter(pk=approval.pk).exists():
            message = "the agent's owner, its editors and staff decide this"
            raise ApiError(message, code="permission_denied", status=403)
        answer = DecisionSerializer(data=request.data)
        answer.is_valid(raise_exception=True)
        decide_approval(actor=request.user, approval=approval, **answer.validated_data)
        return Response(self.get_serializer(self._newest(id, call)).data)

    def _newest(self, run_id: str, call: str) -> Approval:
        rows = visible_to(self.request.user).filter(effect__run_id=run_id, effect__call=call)
        newest = rows.order_by("-number").first()
        if newest is None:
            raise Http404
        return newest

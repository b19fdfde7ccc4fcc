"""`/api/runs`: what happened, is read."""

from functools import cached_property
from typing import Any, ClassVar

import django_filters
from django.db.models import Value
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.authentication import HasScope
from billing.api.documents import StrictListing
from gofannon.lib import money
from gofannon.lib.rest.fields import AnyField, InstantField, ObjectField
from workflows import inside
from workflows.api.why import WhyPage
from workflows.models import Effect, Event, Run, Status
from workflows.why import SOME_WORKER


class EventSerializer(serializers.ModelSerializer[Event]):
    data = ObjectField()  # type: ignore[assignment]
    created_at = InstantField()

    class Meta:
        model = Event
        fields = ("seq", "type", "data", "created_at")


EVENT_RESPONSES = {
    (200, "application/json"): EventSerializer(many=True),
    (200, "text/event-stream"): OpenApiTypes.STR,
}
EVENT_PARAMETERS = [
    OpenApiParameter("Last-Event-ID", int, OpenApiParameter.HEADER, description="of a stream: goes on behind this seq"),
    OpenApiParameter("after", int, description="the same, for clients that send no such header"),
]


class EffectSerializer(serializers.ModelSerializer[Effect]):
    arguments = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()
    created_at = InstantField()
    finished_at = InstantField()

    class Meta:
        model = Effect
        fields = (
            "call",
            "name",
            "effect_class",
            "status",
            "attempt",
            "made_after",
            "step",
            "child_id",
            "arguments",
            "result",
            "error",
            "created_at",
            "finished_at",
        )

    @extend_schema_field(ObjectField(allow_null=True))
    def get_arguments(self, effect: Effect) -> Any:
        return None if hasattr(effect, "hidden") else effect.arguments

    @extend_schema_field(AnyField())
    def get_result(self, effect: Effect) -> Any:
        return None if hasattr(effect, "hidden") else effect.result

    @extend_schema_field(AnyField())
    def get_error(self, effect: Effect) -> Any:
        """What a tool says of a failure tells what it was given."""
        if effect.error is None or not hasattr(effect, "hidden"):
            return effect.error
        return {"code": effect.error.get("code")} if isinstance(effect.error, dict) else {}


class LeaseShape(serializers.Serializer[Any]):
    holder = serializers.CharField(help_text="the process that holds it, for staff; empty while nobody does")
    attempt = serializers.IntegerField()
    due_at = InstantField()


class RunSerializer(serializers.ModelSerializer[Run]):
    """A run as it stands. `lease` is null once it has ended. The context's `request` says who looks."""

    _id = serializers.CharField(source="id")
    parent_id = serializers.CharField(allow_null=True)
    actor_id = serializers.CharField(allow_null=True)
    owner_id = serializers.CharField(allow_null=True)
    payer_id = serializers.CharField(allow_null=True)
    input = AnyField()
    output = AnyField()
    error = serializers.SerializerMethodField(
        help_text="`traceback` is for the agent's owner, its editors and staff alone"
    )
    limits = ObjectField()
    cost = serializers.SerializerMethodField(help_text="USD")
    lease = serializers.SerializerMethodField()
    created_at = InstantField()
    updated_at = InstantField()
    started_at = InstantField()
    finished_at = InstantField()
    wake_at = InstantField()
    cancel_requested_at = InstantField()
    _links = serializers.SerializerMethodField()

    class Meta:
        model = Run
        fields: ClassVar[tuple[str, ...]] = (
            "_id",
            "kind",
            "status",
            "attempt",
            "tries",
            "max_attempts",
            "blocker",
            "blocker_detail",
            "wake_at",
            "cancel_requested_at",
            "parent_id",
            "depth",
            "actor_id",
            "owner_id",
            "payer_id",
            "agent_id",
            "deployment_id",
            "subject",
            "limits",
            "input",
            "output",
            "error",
            "cost",
            "lease",
            "created_at",
            "updated_at",
            "started_at",
            "finished_at",
            "_links",
        )

    def get_cost(self, run: Run) -> float:
        return money.to_usd(run.cost_nano)

    @extend_schema_field(LeaseShape(allow_null=True))
    def get_lease(self, run: Run) -> dict[str, Any] | None:
        lease = getattr(run, "lease", None)
        if lease is None:
            return None
        shown = dict(LeaseShape(lease).data)
        return shown if self._user.is_staff or not lease.holder else {**shown, "holder": SOME_WORKER}

    @extend_schema_field(AnyField())
    def get_error(self, run: Run) -> Any:
        if not inside.has_inner(run.error) or run.pk in self._seen_inside:
            return run.error
        return inside.without_inner(run.error)

    @property
    def _user(self) -> Any:
        return self.context["request"].user

    @cached_property
    def _seen_inside(self) -> frozenset[str]:
        """Of the page."""
        shown: Any = self.root.instance
        return inside.seen_inside(self._user, shown if isinstance(shown, list) else [shown])

    def get__links(self, run: Run) -> dict[str, str]:
        links = {name: f"/api/runs/{run.pk}/{name}" for name in ("events", "effects", "why", "approvals")}
        return {**links, "deliveries": f"/api/webhook-deliveries?run_id={run.pk}"}


class RunDetailSerializer(RunSerializer):
    stdout = serializers.SerializerMethodField(
        help_text="what its code printed, the beginning; null for others than the agent's owner, its editors and staff"
    )

    class Meta(RunSerializer.Meta):
        fields = (*RunSerializer.Meta.fields, "stdout")

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_stdout(self, run: Run) -> str | None:
        return run.stdout if run.pk in self._seen_inside else None


class RunFilters(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=Status.choices)

    class Meta:
        model = Run
        fields: ClassVar[list[str]] = [
            "status",
            "kind",
            "agent_id",
            "deployment_id",
            "actor_id",
            "parent_id",
            "blocker",
        ]


@extend_schema(tags=["runs"])
class RunViewSet(StrictListing, WhyPage, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Run]):
    permission_classes = [IsAuthenticated, HasScope]
    serializer_class = RunDetailSerializer
    filterset_class = RunFilters
    lookup_value_regex = r"[^/\x00]+"
    ordering_fields = ("created_at",)
    heavy_columns: tuple[str, ...] = ("input", "output", "error")
    queryset = Run.objects.none()

    def get_queryset(self) -> Any:
        rows = Run.objects.visible_to(self.request.user).select_related("lease")
        return rows if self.action == "retrieve" else rows.defer("stdout")

    def get_serializer_class(self) -> Any:
        return RunSerializer if self.action == "list" else RunDetailSerializer

    @extend_schema(responses=EVENT_RESPONSES, parameters=EVENT_PARAMETERS, filters=False)
    @action(detail=True, filterset_class=None, heavy_columns=("data",))
    def events(self, request: Request, pk: str) -> Response:
        """The run's events in order; with `Accept: text/event-stream` as they happen, until the run has ended."""
        return self._page(self.get_object().events.order_by("seq", "pk"), EventSerializer)

    @extend_schema(responses=EffectSerializer(many=True), filters=False)
    @action(detail=True, filterset_class=None, heavy_columns=("arguments", "result"))
    def effects(self, request: Request, pk: str) -> Response:
        """The calls that left the run. What went in and out is for the agent's owner, its editors and staff: others
        who asked for the run get null for `arguments` and `result`, and of `error` the `code`.
        """
        run = self.get_object()
        effects = run.effects.order_by("created_at", "pk")
        if not inside.may_see_inside(request.user, run):
            effects = effects.defer("arguments", "result").annotate(hidden=Value(True))
        return self._page(effects, EffectSerializer)

    def _page(self, rows: Any, serializer: type[serializers.ModelSerializer[Any]]) -> Response:
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(serializer(page, many=True).data)

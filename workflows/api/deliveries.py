"""`/api/webhook-deliveries`: what webhooks were told, and telling it again."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.authentication import HasScope
from billing.api.documents import StrictListing
from billing.idempotency import once
from gofannon.lib.errors import ApiError
from gofannon.lib.rest.fields import InstantField
from workflows.models import Delivery
from workflows.webhooks import actions


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    _id = serializers.CharField(source="id")
    run_id = serializers.CharField()
    replay_of = serializers.CharField(source="replay_of_id", allow_null=True)
    due_at = InstantField(allow_null=True)
    created_at = InstantField()
    delivered_at = InstantField(allow_null=True)
    _links = serializers.SerializerMethodField()

    class Meta:
        model = Delivery
        fields: ClassVar[tuple[str, ...]] = (
            "_id",
            "run_id",
            "url",
            "status",
            "attempts",
            "due_at",
            "replay_of",
            "created_at",
            "delivered_at",
            "_links",
        )

    def get__links(self, delivery: Delivery) -> dict[str, str]:
        return {"run": f"/api/runs/{delivery.run_id}", "replay": f"/api/webhook-deliveries/{delivery.pk}/replay"}


class TrySerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    status = serializers.IntegerField(required=False, help_text="the answer's status")
    error = serializers.CharField(required=False, help_text="the code of what went wrong")
    seconds = serializers.FloatField(required=False, help_text="absent where the worker was lost, or is still sending")


class DeliveryDetailSerializer(DeliverySerializer):
    log = TrySerializer(many=True, help_text="the tries, oldest first")

    class Meta(DeliverySerializer.Meta):
        fields = (*DeliverySerializer.Meta.fields, "log")

    def to_representation(self, delivery: Delivery) -> dict[str, Any]:
        return {**DeliverySerializer(delivery).data, "log": delivery.log}


class DeliveryFilters(django_filters.FilterSet):
    run_id = django_filters.CharFilter()
    status = django_filters.ChoiceFilter(choices=Delivery.Status.choices)

    class Meta:
        model = Delivery
        fields: ClassVar[list[str]] = []


@extend_schema(tags=["webhook-deliveries"])
class DeliveryViewSet(StrictListing, mixins.RetrieveModelMixin, viewsets.GenericViewSet[Delivery]):
    permission_classes = [IsAuthenticated, HasScope]
    serializer_class = DeliveryDetailSerializer
    filterset_class = DeliveryFilters
    lookup_value_regex = r"[^/\x00]+"
    ordering_fields = ("created_at",)
    run_actions = idempotent_actions = ("replay",)
    queryset = Delivery.objects.none()

    def get_queryset(self) -> Any:
        rows = actions.visible_to(self.request.user)
        return rows.defer("log") if self.action == "list" else rows

    def get_serializer_class(self) -> Any:
        return DeliverySerializer if self.action == "list" else DeliveryDetailSerializer

    def filter_queryset(self, queryset: Any) -> Any:
        """Filters and orderings are a list's: one delivery is found by its id alone."""
        return queryset if self.detail else super().filter_queryset(queryset)

    @extend_schema(request=None, responses={201: DeliveryDetailSerializer})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: str) -> Response:
        """Sends again what was delivered or given up, as a new delivery."""
        if request.data:
            name = next(iter(request.data)) if isinstance(request.data, dict) else None
            raise ApiError("this takes no body", code="unknown_field", path=name)
        delivery = self.get_object()
        again, made = once(request, lambda: actions.replay_delivery(delivery=delivery), self._find)
        headers = {"Location": f"/api/webhook-deliveries/{again.pk}", **({} if made else {"Idempotent-Replay": "true"})}
        return Response(self.get_serializer(again).data, status=status.HTTP_201_CREATED, headers=headers)

    def _find(self, delivery_id: str) -> Delivery | None:
        found: Delivery | None = self.get_queryset().filter(pk=delivery_id).first()
        return found

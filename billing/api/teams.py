"""`/api/teams`"""

from typing import Any, ClassVar

from django_filters import CharFilter, FilterSet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from billing import actions
from billing.api.documents import DocumentViewSet
from billing.models import Membership, Team
from gofannon.lib.rest.serializers import DocumentSerializer, StrictSerializer


class MemberSerializer(StrictSerializer):
    user_id = serializers.CharField(max_length=255)
    role = serializers.ChoiceField(Membership.Role.choices)


class TeamSerializer(DocumentSerializer):
    owner_id = serializers.CharField(max_length=255, required=False, help_text="the creator unless staff names another")
    members = MemberSerializer(many=True, required=False, max_length=1000)  # type: ignore[call-arg]

    class Meta(DocumentSerializer.Meta):
        model = Team
        fields = ("_id", "name", "owner_id", "members", "version", "created_at", "updated_at")
        # The model's constraint answers 409 and needs no query before.
        validators: ClassVar[list[Any]] = []


class TeamFilters(FilterSet):
    owner_id = CharFilter()

    class Meta:
        model = Team
        fields: ClassVar[dict[str, Any]] = {"name": ["exact"]}


@extend_schema(tags=["teams"])
class TeamViewSet(DocumentViewSet):
    model = Team
    serializer_class = TeamSerializer
    filterset_class = TeamFilters
    ordering_fields = ("created_at", "name")

    def make(self, values: dict[str, Any]) -> Team:
        return actions.create_team(actor=self.request.user, values=values)

    def change(self, document: Team, values: dict[str, Any], expected: int | None) -> None:
        actions.update_team(actor=self.request.user, team=document, values=values, expected_version=expected)

"""`/api/deployments`: friendly names, their versions, and the way back."""

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents import actions
from agents.models import Agent, Deployment
from billing.api.documents import OwnedDocumentViewSet
from billing.api.serializers import OwnedSerializer
from gofannon.lib.errors import ApiError
from gofannon.lib.rest.fields import InstantField
from gofannon.lib.rest.filters import ListedFilterSet
from gofannon.lib.rest.serializers import StrictSerializer


class VersionSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(source="number")
    hash = serializers.CharField(source="snapshot_id")
    created_by = serializers.CharField(source="created_by_id", allow_null=True)
    created_at = InstantField()


class DeploymentSerializer(OwnedSerializer):
    agentId = serializers.CharField(source="agent_id", max_length=255)
    version = serializers.IntegerField(source="number", min_value=0, max_value=2**31 - 1)
    versions = serializers.SerializerMethodField()

    class Meta(OwnedSerializer.Meta):
        model = Deployment
        fields = (
            "_id",
            "agentId",
            "version",
            "versions",
            "visibility",
            "owner_id",
            "team_id",
            "created_at",
            "updated_at",
        )
        create_fields = ("_id",)

    @extend_schema_field(VersionSerializer(many=True))
    def get_versions(self, deployment: Deployment) -> list[dict[str, Any]]:
        rows = sorted(deployment.versions.all(), key=lambda row: row.number)
        return list(VersionSerializer(rows, many=True).data)


class DeploymentFilters(ListedFilterSet):
    class Meta:
        model = Deployment
        fields: ClassVar[dict[str, Any]] = {"agent_id": ["exact"], "visibility": ["exact"], "owner_id": ["exact"]}


class RollbackBody(StrictSerializer):
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)


@extend_schema(tags=["deployments"])
class DeploymentViewSet(OwnedDocumentViewSet):
    model = Deployment
    serializer_class = DeploymentSerializer
    filterset_class = DeploymentFilters
    ordering_fields = ("created_at", "id")

    def make(self, values: dict[str, Any]) -> Deployment:
        agent = self._agent(values["agent_id"])
        deployment = actions.deploy_agent(
            actor=self.request.user, agent=agent, name=values["id"], visibility=values.get("visibility"), fresh=True
        )
        rest = {name: value for name, value in values.items() if name == "team_id"}
        if rest:
            super().change(deployment, rest, None)
        return deployment

    def change(self, document: Deployment, values: dict[str, Any], expected: int | None) -> None:
        agent_id = values.get("agent_id", document.agent_id)
        agent = self._agent(agent_id) if agent_id != document.agent_id else None
        super().change(document, {k: v for k, v in values.items() if k != "agent_id"}, expected)
        if agent is not None:
            actions.deploy_agent(actor=self.request.user, agent=agent, name=document.pk)

    def _agent(self, agent_id: str) -> Agent:
        agent: Agent | None = Agent.objects.visible_to(self.request.user).for_wire().filter(pk=agent_id).first()
        if agent is None:
            raise ApiError(f"there is no agent {agent_id!r} for you to use", code="unknown_reference", path="agentId")
        if not agent.editable_by(self.request.user):
            message = "an agent is deployed by its editors"
            raise ApiError(message, code="permission_denied", path="agentId", status=403)
        return agent

    @extend_schema(request=RollbackBody, responses=DeploymentSerializer)
    @action(detail=True, methods=["post"])
    def rollback(self, request: Request, pk: str) -> Response:
        """Makes an earlier version answer again."""
        deployment = self.editable()
        body = RollbackBody(data=request.data)
        body.is_valid(raise_exception=True)
        actions.roll_back(actor=request.user, deployment=deployment, number=body.validated_data["version"])
        found = self.get_queryset().filter(pk=deployment.pk).first()
        if found is None:
            raise Http404
        return self.rendered(found)

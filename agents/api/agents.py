"""`/api/agents`: definitions, and what is done with them short of running."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from agents import actions, assembly, checks
from agents.api.deployments import DeploymentSerializer
from agents.models import Agent, Deployment
from agents.models.agent import Runtime
from billing.api.documents import OwnedDocumentViewSet
from billing.api.serializers import OWNED_FIELDS, OwnedSerializer
from billing.idempotency import once
from billing.models import Visibility
from gofannon.lib.rest.fields import NamesField, ObjectField
from gofannon.lib.rest.filters import ListedFilterSet, listed
from gofannon.lib.rest.serializers import StrictSerializer


class AgentSerializer(OwnedSerializer):
    provider_id = serializers.CharField(max_length=255, required=False, allow_null=True)
    runtime = serializers.ChoiceField(Runtime.choices, required=False)
    mcp_server_ids = NamesField()
    mcp_server_tags = NamesField()
    gofannon_agents = NamesField()
    skill_ids = NamesField()
    skill_tags = NamesField()
    knowledge_source_ids = NamesField()
    knowledge_tags = NamesField()
    guardrail_ids = NamesField()
    guardrail_tags = NamesField()

    class Meta(OwnedSerializer.Meta):
        model = Agent
        fields = (
            "_id",
            "name",
            "description",
            "code",
            "friendly_name",
            "tools",
            "input_schema",
            "output_schema",
            "gofannon_agents",
            "system_prompt",
            "model",
            "mcp_server_ids",
            "mcp_server_tags",
            "provider_id",
            "skill_ids",
            "skill_tags",
            "knowledge_source_ids",
            "knowledge_tags",
            "guardrail_ids",
            "guardrail_tags",
            "runtime",
            "limits",
            *OWNED_FIELDS,
        )
        # Code keeps its white space: an agent is stored to the byte.
        extra_kwargs = {name: {"trim_whitespace": False} for name in ("code", "system_prompt", "description")}


class AgentFilters(ListedFilterSet):
    mcp_server_tag = listed("mcp_server_tags")
    mcp_server_id = listed("mcp_server_ids")
    skill_id = listed("skill_ids")
    gofannon_agent = listed("gofannon_agents")

    class Meta:
        model = Agent
        fields: ClassVar[dict[str, Any]] = {
            "name": ["exact"],
            "friendly_name": ["exact"],
            "runtime": ["exact"],
            "visibility": ["exact"],
            "owner_id": ["exact"],
        }


class DeployBody(StrictSerializer):
    name = serializers.CharField(max_length=63, required=False, help_text="else the agent's friendly name")
    visibility = serializers.ChoiceField(Visibility.choices, required=False)


class CheckReport(serializers.Serializer[Any]):
    ok = serializers.BooleanField()
    kind = serializers.ChoiceField(("code", "prompt"))
    runtime = serializers.CharField(allow_null=True, help_text="the runtime that would execute the code here")
    problems = serializers.ListField(child=ObjectField())
    prompt = ObjectField()
    resolved = ObjectField()


class Undeployed(serializers.Serializer[Any]):
    undeployed = serializers.ListField(child=serializers.CharField())


@extend_schema(tags=["agents"])
class AgentViewSet(OwnedDocumentViewSet):
    model = Agent
    serializer_class = AgentSerializer
    filterset_class = AgentFilters
    ordering_fields = ("created_at", "name")
    idempotent_actions = ("create", "deploy")

    @extend_schema(request=None, responses=CheckReport)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str) -> Response:
        """Compiles the code, resolves tags and says what would stop a run. Runs nothing."""
        agent = self.get_object()
        spec = assembly.assemble(agent)
        return Response(checks.report(spec, assembly.visible_parts(spec, request.user)))

    @extend_schema(request=DeployBody, responses={201: DeploymentSerializer})
    @action(detail=True, methods=["post"])
    def deploy(self, request: Request, pk: str) -> Response:
        """Freezes the agent as the next version of a friendly name."""
        agent = self.editable()
        body = DeployBody(data=request.data)
        body.is_valid(raise_exception=True)
        deployment, _ = once(
            request,
            lambda: actions.deploy_agent(actor=request.user, agent=agent, **body.validated_data),
            lambda pk: Deployment.objects.filter(pk=pk).first(),
        )
        data = DeploymentSerializer(deployment, context=self.get_serializer_context()).data
        location = {"Location": f"/api/deployments/{deployment.pk}"}
        return Response(data, status=status.HTTP_201_CREATED, headers=location)

    @extend_schema(
        parameters=[OpenApiParameter("name", str, description="else every deployment of the agent")],
        responses={200: Undeployed},
    )
    @action(detail=True, methods=["delete"])
    def undeploy(self, request: Request, pk: str) -> Response:
        """Takes back a friendly name."""
        agent = self.editable()
        name = request.query_params.get("name", "").replace("\x00", "")
        return Response({"undeployed": actions.undeploy_agent(actor=request.user, agent=agent, name=name)})

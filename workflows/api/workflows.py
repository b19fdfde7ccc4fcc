"""`/api/workflows`"""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.documents import OwnedDocumentViewSet
from billing.api.serializers import OWNED_FIELDS, OwnedSerializer, child_page_links
from gofannon.lib import ids
from gofannon.lib.rest.children import ChildPages, NewestField
from gofannon.lib.rest.fields import AnyField, InstantField, NamesField
from gofannon.lib.rest.filters import ListedFilterSet, listed
from gofannon.lib.rest.serializers import StrictSerializer
from workflows.api.task_executions import HEAVY_COLUMNS as EXECUTION_COLUMNS
from workflows.api.task_executions import TaskExecutionSerializer
from workflows.api.usage import UsageSerializer
from workflows.models import Workflow


class WorkflowMessageSerializer(StrictSerializer):
    role = serializers.CharField(max_length=40)
    content = AnyField(required=False, allow_null=True)
    tool_calls = AnyField(required=False, allow_null=True)


class WorkflowLogSerializer(StrictSerializer):
    timestamp = InstantField()
    event = serializers.CharField(max_length=255)
    detail = AnyField(required=False, allow_null=True)


class WorkflowSerializer(OwnedSerializer):
    agent_id = serializers.CharField(max_length=ids.MAX_LENGTH)
    skill_ids = NamesField()
    skill_tags = NamesField()
    guardrail_ids = NamesField()
    guardrail_tags = NamesField()
    usage = UsageSerializer(source="*")
    messages = NewestField(child=WorkflowMessageSerializer(), help_text="the newest 100")
    logs = NewestField(child=WorkflowLogSerializer(), help_text="the newest 100")
    _links = serializers.SerializerMethodField(method_name="links")

    class Meta(OwnedSerializer.Meta):
        model = Workflow
        fields = (
            "_id",
            "title",
            "agent_id",
            "model",
            "reasoning_effort",
            "max_turns",
            "current_turn",
            "status",
            "output_format",
            "infinite_session",
            "caveman",
            "usage",
            "skill_ids",
            "skill_tags",
            "guardrail_ids",
            "guardrail_tags",
            "webhook_url",
            "schedule",
            "messages",
            "logs",
            *OWNED_FIELDS,
            "_links",
        )
        system_fields = (*OwnedSerializer.Meta.system_fields, "current_turn", "status", "usage", "messages", "logs")

    def links(self, workflow: Workflow) -> dict[str, str]:
        return child_page_links(Workflow.COLLECTION, workflow, "messages", "logs", "executions")


class WorkflowFilters(ListedFilterSet):
    skill_id = listed("skill_ids")
    skill_tag = listed("skill_tags")
    guardrail_id = listed("guardrail_ids")
    guardrail_tag = listed("guardrail_tags")

    class Meta:
        model = Workflow
        fields: ClassVar[dict[str, Any]] = {"agent_id": ["exact"], "status": ["exact"], "visibility": ["exact"]}


@extend_schema(tags=["workflows"])
class WorkflowViewSet(ChildPages, OwnedDocumentViewSet):
    model = Workflow
    serializer_class = WorkflowSerializer
    filterset_class = WorkflowFilters

    @extend_schema(responses=WorkflowMessageSerializer(many=True))
    @action(detail=True, filter_backends=[], heavy_columns=("content", "tool_calls"))
    def messages(self, request: Request, pk: str) -> Response:
        """All messages, oldest first."""
        return self.child_page("messages", WorkflowMessageSerializer)

    @extend_schema(responses=WorkflowLogSerializer(many=True))
    @action(detail=True, filter_backends=[], heavy_columns=("detail",))
    def logs(self, request: Request, pk: str) -> Response:
        """All log entries, oldest first."""
        return self.child_page("logs", WorkflowLogSerializer)

    @extend_schema(responses=TaskExecutionSerializer(many=True))
    @action(detail=True, filter_backends=[], heavy_columns=EXECUTION_COLUMNS)
    def executions(self, request: Request, pk: str) -> Response:
        """What each prompt came to, newest first."""
        rows = self.parent_or_404().executions.order_by("-created_at", "-pk")
        return self.page_of(rows, TaskExecutionSerializer)

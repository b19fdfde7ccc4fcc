"""`/api/task-executions`: read only; an execution is made by prompting its workflow."""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from billing.api.documents import DocumentViewSet
from gofannon.lib import ids
from gofannon.lib.rest.fields import AnyField
from gofannon.lib.rest.serializers import DocumentSerializer
from workflows.api.usage import UsageSerializer
from workflows.models import TaskExecution

HEAVY_COLUMNS = ("response", "prompt", "error")


class TaskExecutionSerializer(DocumentSerializer):
    workflow_id = serializers.CharField(max_length=ids.MAX_LENGTH)
    # Not even an import ties a document to a run.
    run_id = serializers.CharField(read_only=True, allow_null=True)
    usage = UsageSerializer(source="*")
    response = AnyField(allow_null=True)

    class Meta(DocumentSerializer.Meta):
        model = TaskExecution
        fields = (
            "_id",
            "workflow_id",
            "run_id",
            "status",
            "error",
            "prompt",
            "model",
            "worker",
            "attempts",
            "usage",
            "response",
            "created_at",
            "updated_at",
            "completed_at",
        )
        system_fields = fields


class TaskExecutionFilters(django_filters.FilterSet):
    class Meta:
        model = TaskExecution
        fields: ClassVar[dict[str, Any]] = {"workflow_id": ["exact"], "status": ["exact"]}


@extend_schema(tags=["task-executions"])
class TaskExecutionViewSet(DocumentViewSet):
    model = TaskExecution
    serializer_class = TaskExecutionSerializer
    filterset_class = TaskExecutionFilters
    heavy_columns = HEAVY_COLUMNS
    http_method_names = ["get", "head", "options"]

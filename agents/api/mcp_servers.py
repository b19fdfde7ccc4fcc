"""`/api/mcp-servers`"""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from agents.api.fields import ConfigField
from agents.models import McpServer
from billing.api.documents import OwnedDocumentViewSet
from billing.api.serializers import OWNED_FIELDS, OwnedSerializer
from gofannon.lib.rest.fields import NamesField, ObjectField
from gofannon.lib.rest.filters import ListedFilterSet, listed


class McpServerSerializer(OwnedSerializer):
    connection_config = ConfigField()
    tags = NamesField()
    allowed_tools = NamesField(help_text="empty: all of the server's tools")
    status = serializers.ChoiceField(McpServer.Status.choices, required=False)
    last_error = serializers.CharField(allow_blank=True)
    tools = serializers.ListField(child=ObjectField(), help_text="as the server last told them")

    class Meta(OwnedSerializer.Meta):
        model = McpServer
        fields = (
            "_id",
            "name",
            "transport_type",
            "connection_config",
            "tags",
            "allowed_tools",
            "status",
            "last_error",
            "tools",
            *OWNED_FIELDS,
        )
        system_fields = (*OwnedSerializer.Meta.system_fields, "status", "last_error", "tools")
        create_fields = ("status",)

    def validate_status(self, status: str) -> str:
        """A new server may say what it will be anyway."""
        if not self.importing and status != McpServer.Status.REGISTERED:
            raise serializers.ValidationError("is set by the platform", code="read_only")
        return status


class McpServerFilters(ListedFilterSet):
    tag = listed("tags")

    class Meta:
        model = McpServer
        fields: ClassVar[dict[str, Any]] = {
            "name": ["exact"],
            "transport_type": ["exact"],
            "status": ["exact"],
            "visibility": ["exact"],
        }


@extend_schema(tags=["mcp-servers"])
class McpServerViewSet(OwnedDocumentViewSet):
    model = McpServer
    serializer_class = McpServerSerializer
    filterset_class = McpServerFilters
    ordering_fields = ("created_at", "name")

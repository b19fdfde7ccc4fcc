"""`/api/demos`"""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers

from billing.api.documents import OwnedDocumentViewSet
from billing.api.serializers import OWNED_FIELDS, OwnedSerializer
from demos.models import Demo, DemoConfig
from gofannon.lib import ids
from gofannon.lib.rest.fields import ObjectField


@extend_schema_field(DemoConfig)  # type: ignore[arg-type]
class ConfigField(ObjectField):
    """Judged by the demo itself."""


class DemoSerializer(OwnedSerializer):
    _id = serializers.CharField(
        source="id", max_length=ids.MAX_LENGTH, required=False, help_text="may be chosen at creation"
    )
    agent_id = serializers.CharField(max_length=ids.MAX_LENGTH)
    config = ConfigField(required=False)

    class Meta(OwnedSerializer.Meta):
        model = Demo
        fields = ("_id", "name", "description", "agent_id", "config", "is_public", *OWNED_FIELDS)
        create_fields = ("_id",)


class DemoFilters(django_filters.FilterSet):
    class Meta:
        model = Demo
        fields: ClassVar[dict[str, Any]] = {
            "name": ["exact"],
            "agent_id": ["exact"],
            "is_public": ["exact"],
            "visibility": ["exact"],
        }


@extend_schema(tags=["demos"])
class DemoViewSet(OwnedDocumentViewSet):
    model = Demo
    serializer_class = DemoSerializer
    filterset_class = DemoFilters
    ordering_fields = ("created_at", "name")

"""`/api/providers`"""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema

from agents.api.fields import ConfigField
from agents.models import Provider
from billing.api.documents import OwnedDocumentViewSet
from billing.api.serializers import OWNED_FIELDS, OwnedSerializer
from gofannon.lib.rest.filters import ListedFilterSet


class ProviderSerializer(OwnedSerializer):
    config = ConfigField()

    class Meta(OwnedSerializer.Meta):
        model = Provider
        fields = ("_id", "name", "config", "is_default", *OWNED_FIELDS)


class ProviderFilters(ListedFilterSet):
    class Meta:
        model = Provider
        fields: ClassVar[dict[str, Any]] = {"name": ["exact"], "is_default": ["exact"], "visibility": ["exact"]}


@extend_schema(tags=["providers"])
class ProviderViewSet(OwnedDocumentViewSet):
    model = Provider
    serializer_class = ProviderSerializer
    filterset_class = ProviderFilters
    ordering_fields = ("created_at", "name")

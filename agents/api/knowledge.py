"""`/api/knowledge-sources` and `/api/knowledge-items`"""

from typing import Any, ClassVar

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from agents.api.fields import ConfigField, KindField
from agents.models import KnowledgeItem, KnowledgeSource
from billing.api.documents import DocumentViewSet, OwnedDocumentViewSet
from billing.api.serializers import OWNED_FIELDS, OwnedSerializer
from gofannon.lib import ids
from gofannon.lib.rest.fields import NamesField
from gofannon.lib.rest.filters import ListedFilterSet, listed
from gofannon.lib.rest.serializers import DocumentSerializer


class KnowledgeSourceSerializer(OwnedSerializer):
    type = KindField(KnowledgeSource.Type.choices)
    connection_config = ConfigField(required=False)
    tags = NamesField()
    status = serializers.ChoiceField(KnowledgeSource.Status.choices)
    last_error = serializers.CharField(allow_blank=True)

    class Meta(OwnedSerializer.Meta):
        model = KnowledgeSource
        fields = ("_id", "name", "type", "connection_config", "tags", "status", "last_error", *OWNED_FIELDS)
        system_fields = (*OwnedSerializer.Meta.system_fields, "status", "last_error")


class KnowledgeSourceFilters(ListedFilterSet):
    tag = listed("tags")

    class Meta:
        model = KnowledgeSource
        fields: ClassVar[dict[str, Any]] = {
            "name": ["exact"],
            "type": ["exact"],
            "status": ["exact"],
            "visibility": ["exact"],
        }


@extend_schema(tags=["knowledge"])
class KnowledgeSourceViewSet(OwnedDocumentViewSet):
    model = KnowledgeSource
    serializer_class = KnowledgeSourceSerializer
    filterset_class = KnowledgeSourceFilters
    ordering_fields = ("created_at", "name")


class KnowledgeItemSerializer(DocumentSerializer):
    source_id = serializers.CharField(max_length=ids.MAX_LENGTH)
    content = serializers.CharField(trim_whitespace=False)
    tags = NamesField()
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)

    class Meta(DocumentSerializer.Meta):
        model = KnowledgeItem
        fields = ("_id", "source_id", "content", "content_type", "tags", "version", "created_at", "updated_at")


class KnowledgeItemFilters(ListedFilterSet):
    source_id = django_filters.CharFilter("source_id")
    tag = listed("tags")

    class Meta:
        model = KnowledgeItem
        fields: ClassVar[dict[str, Any]] = {"content_type": ["exact"]}


@extend_schema(tags=["knowledge"])
class KnowledgeItemViewSet(DocumentViewSet):
    model = KnowledgeItem
    serializer_class = KnowledgeItemSerializer
    filterset_class = KnowledgeItemFilters

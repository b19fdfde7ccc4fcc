"""`/api/guardrails`"""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema

from agents.api.fields import KindField
from agents.models import Guardrail
from billing.api.documents import OwnedDocumentViewSet
from billing.api.serializers import OWNED_FIELDS, OwnedSerializer
from gofannon.lib.rest.fields import NamesField
from gofannon.lib.rest.filters import ListedFilterSet, listed


class GuardrailSerializer(OwnedSerializer):
    type = KindField(Guardrail.Type.choices)
    tags = NamesField()

    class Meta(OwnedSerializer.Meta):
        model = Guardrail
        fields = ("_id", "name", "description", "type", "config", "tags", *OWNED_FIELDS)


class GuardrailFilters(ListedFilterSet):
    tag = listed("tags")

    class Meta:
        model = Guardrail
        fields: ClassVar[dict[str, Any]] = {"name": ["exact"], "type": ["exact"], "visibility": ["exact"]}


@extend_schema(tags=["guardrails"])
class GuardrailViewSet(OwnedDocumentViewSet):
    model = Guardrail
    serializer_class = GuardrailSerializer
    filterset_class = GuardrailFilters
    ordering_fields = ("created_at", "name")

"""`/api/tokens`: a secret goes in and never comes out."""

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from agents.models import Token
from billing.api.documents import OwnedDocumentViewSet
from billing.api.serializers import OWNED_FIELDS, OwnedSerializer
from gofannon.lib.rest.filters import ListedFilterSet


class TokenSerializer(OwnedSerializer):
    """An import takes a plain `value` too. One that another platform encrypted opens nowhere else: it is left out."""

    value = serializers.CharField(write_only=True, max_length=20_000, style={"input_type": "password"})
    hint = serializers.CharField(max_length=40, allow_blank=True, help_text="the masked value")

    class Meta(OwnedSerializer.Meta):
        model = Token
        fields = ("_id", "name", "value", "hint", *OWNED_FIELDS)
        system_fields = (*OwnedSerializer.Meta.system_fields, "hint")

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        # What was read can be put back: a read token carries no value.
        fields["value"].required = self.instance is None and not self.importing
        return fields

    def to_internal_value(self, data: Any) -> Any:
        if self.importing and isinstance(data, Mapping):
            data = {name: value for name, value in data.items() if name not in {"encrypted_value", "hint"}}
        values = super().to_internal_value(data)
        if "value" in values:
            values |= Token.sealed(values.pop("value"))
        return values

    @property
    def notes(self) -> list[dict[str, str]]:
        """What an import left out: `{"path", "message"}` each."""
        if "value" in self.validated_data:
            return []
        message = "came without a value that can be opened here; set it anew"
        return [{"path": "value", "message": message}]


class TokenFilters(ListedFilterSet):
    class Meta:
        model = Token
        fields: ClassVar[dict[str, Any]] = {"name": ["exact"], "visibility": ["exact"]}


@extend_schema(tags=["tokens"])
class TokenViewSet(OwnedDocumentViewSet):
    model = Token
    serializer_class = TokenSerializer
    filterset_class = TokenFilters
    ordering_fields = ("created_at", "name")

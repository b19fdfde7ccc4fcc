"""Serializers that speak the wire contract exactly: unknown fields are refused, read-only ones may only come back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models
from rest_framework import serializers

from gofannon.lib.rest.fields import InstantField, NamesField, ObjectField

__all__ = ["DocumentSerializer", "StrictSerializer"]


def _refuse_unknown(serializer: serializers.Serializer[Any], data: Any) -> None:
    if not isinstance(data, Mapping):
        return
    unknown = {key: ["no such field"] for key in data if key not in serializer.fields}
    if unknown:
        raise serializers.ValidationError(
            {key: [serializers.ErrorDetail("there is no such field", code="unknown_field")] for key in unknown}
        )


class StrictSerializer(serializers.Serializer[Any]):
    """A nested object or an action's body."""

    def to_internal_value(self, data: Any) -> Any:
        _refuse_unknown(self, data)
        return super().to_internal_value(data)


class DocumentSerializer(serializers.ModelSerializer[Any]):
    """A document in its wire shape.

    `Meta.fields` lists all wire fields. Those of `Meta.system_fields` are set by the platform: a body may carry them
    unchanged, never change them; an import (context `importing`) sets them all.
    """

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: InstantField,
        models.JSONField: ObjectField,
    }

    _id = serializers.CharField(source="id", max_length=255)
    created_at = InstantField()
    updated_at = InstantField()

    class Meta:
        model: type[models.Model]
        fields: tuple[str, ...] = ()
        system_fields: tuple[str, ...] = ("_id", "created_at", "updated_at", "version")
        # Taken from the body of a POST although the platform sets them afterwards.
        create_fields: tuple[str, ...] = ()

    @property
    def importing(self) -> bool:
        return bool(self.context.get("importing"))

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        meta: Any = self.Meta
        system = set(getattr(meta, "system_fields", DocumentSerializer.Meta.system_fields))
        if self.instance is None:
            system -= set(getattr(meta, "create_fields", ()))
        for name, field in fields.items():
            if isinstance(field, NamesField) or self.importing:
                field.required = False
            if name in system and not self.importing:
                field.read_only = True
                field.required = False
        return fields

    def to_internal_value(self, data: Any) -> Any:
        if self.importing and isinstance(data, Mapping):
            data = dict(data)
            if "id" in data and "_id" not in data:
                data["_id"] = data.pop("id")
            data.pop("_links", None)
        _refuse_unknown(self, data)
        if isinstance(data, Mapping):
            self._refuse_changes(data)
        return super().to_internal_value(data)

    def _refuse_changes(self, data: Mapping[str, Any]) -> None:
        given = [name for name, field in self.fields.items() if field.read_only and name in data]
        if not given:
            return
        current = self.to_representation(self.instance) if isinstance(self.instance, models.Model) else {}
        changed = [name for name in given if name not in current or not _same(current[name], data[name])]
        if changed and not self.importing:
            raise serializers.ValidationError(
                {name: [serializers.ErrorDetail("is set by the platform", code="read_only")] for name in changed}
            )


def _same(shown: Any, given: Any) -> bool:
    if shown == given:
        return type(shown) is type(given) or not isinstance(given, bool)
    if isinstance(shown, str) and isinstance(given, str):
        try:  # the same instant, written otherwise
            return datetime.fromisoformat(shown) == datetime.fromisoformat(given)
        except (ValueError, TypeError):
            return False
    return False

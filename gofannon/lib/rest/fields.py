"""Serializer fields of the wire contract."""

from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.timezone import is_naive
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gofannon.lib import clock, ids, money


class BoundedListField(serializers.ListField):
    """Counts its items before it looks at them: a list that is too long costs one error, not one for each item."""

    def to_internal_value(self, data: Any) -> list[Any]:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)


class NamesField(BoundedListField):
    """A list field of a document (`Document.LISTS`): distinct non-empty strings, in order."""

    child = serializers.CharField(max_length=ids.MAX_LENGTH)

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("max_length", 1000)
        super().__init__(**kwargs)

    def get_attribute(self, instance: Any) -> list[str]:
        return list(instance.listed(self.source))

    def to_internal_value(self, data: Any) -> list[str]:
        values: list[str] = super().to_internal_value(data)
        if len(set(values)) != len(values):
            raise serializers.ValidationError("names an entry twice", code="duplicate")
        return values


@extend_schema_field({"type": "object", "additionalProperties": True})
class ObjectField(serializers.JSONField):
    """A JSON object."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("an object is expected", code="invalid")
        return data


@extend_schema_field({})
class AnyField(serializers.JSONField):
    """Any JSON value."""


@extend_schema_field({"type": "number", "description": "USD"})
class UsdField(serializers.Field[int, Any, float, Any]):
    """Nano-USD inside, USD on the wire. An import may hold sums of doubles, which are rounded to the nano-USD."""

    def to_representation(self, value: int) -> float:
        return money.to_usd(value)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int | float) or isinstance(data, bool):
            raise serializers.ValidationError("an amount in USD is a number", code="invalid")
        try:
            return money.from_usd(round(data, 9) if self.context.get("importing") else data)
        except ValueError as error:
            raise serializers.ValidationError(str(error), code="invalid") from error


@extend_schema_field({"type": "string", "format": "date-time"})
class InstantField(serializers.Field[datetime, Any, str, Any]):
    """An instant in ISO 8601, written in UTC with `Z`; a time without a zone is refused."""

    def to_representation(self, value: datetime) -> str:
        return clock.iso(value)

    def to_internal_value(self, data: Any) -> datetime:
        try:
            moment = parse_datetime(data) if isinstance(data, str) else None
            if moment is None or is_naive(moment):
                raise ValueError
            clock.iso(moment)
        except (ValueError, OverflowError) as error:
            message = "a date and time with a zone is expected, such as 2026-01-31T12:00:00Z"
            raise serializers.ValidationError(message, code="invalid") from error
        return moment

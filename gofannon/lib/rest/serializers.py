"""Serializers that speak the wire contract exactly: unknown fields are refused, read-only ones may only come back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import models
from rest_framework import serializers

from gofannon.lib.appending import NEWEST
from gofannon.lib.errors import MAX_ERRORS
from gofannon.lib.rest.children import NewestField
from gofannon.lib.rest.errors import left_out
from gofannon.lib.rest.fields import InstantField, NamesField, ObjectField

__all__ = ["DocumentSerializer", "Section", "StrictSerializer"]


def _refuse_unknown(serializer: serializers.Serializer[Any], data: Any) -> None:
    if not isinstance(data, Mapping):
        return
    unknown = [key for key in data if key not in serializer.fields]
    if not unknown:
        return
    named = unknown[:MAX_ERRORS]
    refused = {key: [serializers.ErrorDetail("there is no such field", code="unknown_field")] for key in named}
    if more := len(unknown) - len(named):
        refused[named[-1]].append(left_out(more))
    raise serializers.ValidationError(refused)


def without_locked(serializer: Any, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """`data` less the fields that its sender may not set: read-only ones, and `staff_fields` unless the context says
    `by_staff`. They may come back as they are; where one differs, ValidationError `read_only`. An import sets all.
    """
    if serializer.context.get("importing"):
        return data
    locked = {name for name, field in serializer.fields.items() if field.read_only}
    if not serializer.context.get("by_staff"):
        locked.update(getattr(serializer, "staff_fields", ()))
    given = [name for name in data if name in locked]
    if not given:
        return data
    instance = serializer.root.instance
    current = serializer.to_representation(instance) if isinstance(instance, models.Model) else {}
    changed = [
        name
        for name in given
        if name not in current or not _comes_back(serializer.fields[name], current[name], data[name])
    ]
    if changed:
        raise serializers.ValidationError(
            {name: [serializers.ErrorDetail("is not yours to set", code="read_only")] for name in changed}
        )
    return {name: value for name, value in data.items() if name not in locked}


# What DRF's fields would convert ("5" to 5, 5 to "5", "true" to True), the wire contract refuses.
_TYPES: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], tuple[type, ...], str], ...] = (
    (serializers.CharField, (str,), "a string is expected"),
    (serializers.BooleanField, (bool,), "true or false is expected"),
    (serializers.IntegerField, (int,), "a whole number is expected"),
    (serializers.FloatField, (int, float), "a number is expected"),
)


def _is_of(value: Any, types: tuple[type, ...]) -> bool:
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def _wrong_type(field: Any, value: Any) -> Any:
    """What is wrong with the JSON type of `value`, in the shape of the field's own errors; None for nothing."""
    if value is None:
        return None
    if isinstance(field, serializers.ListField) and isinstance(value, list):
        if field.max_length is not None and len(value) > field.max_length:
            return None
        return {index: wrong for index, item in enumerate(value) if (wrong := _wrong_type(field.child, item))}
    for kind, types, message in _TYPES:
        if isinstance(field, kind) and not _is_of(value, types):
            return [serializers.ErrorDetail(message, code="invalid")]
    return None


class _Typed(serializers.Serializer[Any]):
    """Takes JSON's types as they are. Imports come from looser places, and are converted where that is possible."""

    def to_internal_value(self, data: Any) -> Any:
        loose = not isinstance(data, Mapping) or self.context.get("importing")
        given = (
            {}
            if loose
            else {name: field for name, field in self.fields.items() if name in data and not field.read_only}
        )
        wrong = {name: found for name, field in given.items() if (found := _wrong_type(field, data[name]))}
        if not wrong:
            return super().to_internal_value(data)
        others: Any = {}
        try:
            super().to_internal_value(data)
        except serializers.ValidationError as error:
            others = error.detail
        errors = {**others, **wrong}
        raise serializers.ValidationError({name: errors[name] for name, _ in self.fields.items() if name in errors})


class StrictSerializer(_Typed):
    """A nested object or an action's body."""

    def to_internal_value(self, data: Any) -> Any:
        _refuse_unknown(self, data)
        return super().to_internal_value(data)


class Section(StrictSerializer):
    """A nested object on the wire whose fields are the document's own columns.

    `system_fields` are the platform's, `staff_fields` staff's: see `without_locked`.
    """

    system_fields: tuple[str, ...] = ()
    staff_fields: tuple[str, ...] = ()

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"source": "*", "required": False, **kwargs})

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        for name, field in fields.items():
            field.required = False
            if name in self.system_fields and not self.context.get("importing"):
                field.read_only = True
        return fields

    def to_internal_value(self, data: Any) -> Any:
        _refuse_unknown(self, data)
        return super().to_internal_value(without_locked(self, data) if isinstance(data, Mapping) else data)


class DocumentSerializer(_Typed, serializers.ModelSerializer[Any]):
    """A document in its wire shape.

    `Meta.fields` lists all wire fields. Those of `Meta.system_fields` are set by the platform: a body may carry them
    unchanged, never change them; an import (context `importing`) sets them all. `staff_fields` are set by staff alone.
    """

    staff_fields: tuple[str, ...] = ()

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

    def _holds_null(self, name: str) -> bool:
        """Elsewhere null and absence say the same of an optional field."""
        return name not in self.fields or bool(self.fields[name].allow_null)

    def to_internal_value(self, data: Any) -> Any:
        if self.importing and isinstance(data, Mapping):
            data = dict(data)
            if "id" in data and "_id" not in data:
                data["_id"] = data.pop("id")
            data.pop("_links", None)
            data = {name: value for name, value in data.items() if value is not None or self._holds_null(name)}
        _refuse_unknown(self, data)
        return super().to_internal_value(without_locked(self, data) if isinstance(data, Mapping) else data)


def _comes_back(field: Any, shown: Any, given: Any) -> bool:
    if isinstance(field, NewestField) and isinstance(given, list):
        return len(given) <= NEWEST and _slid_back(shown, given)
    return _same(shown, given)


def _slid_back(shown: list[Any], given: list[Any]) -> bool:
    """Whether `given` ends with what `shown` begins with: rows may have been appended since it was read, so that what
    was read then is the same window, further back. Linear: the prefix function of Knuth, Morris and Pratt.
    """
    if not given:
        return True
    line = [*shown, object(), *given]
    borders = [0]
    for item in line[1:]:
        length = borders[-1]
        while length and line[length] != item:
            length = borders[length - 1]
        borders.append(length + (line[length] == item))
    return borders[-1] > 0


def _same(shown: Any, given: Any) -> bool:
    if shown == given:
        return type(shown) is type(given) or not isinstance(given, bool)
    if isinstance(shown, str) and isinstance(given, str):
        try:  # the same instant, written otherwise
            return datetime.fromisoformat(shown) == datetime.fromisoformat(given)
        except (ValueError, TypeError):
            return False
    return False

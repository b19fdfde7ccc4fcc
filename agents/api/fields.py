"""Serializer fields of an agent's parts."""

from typing import Any

from rest_framework import serializers

from agents import specs
from gofannon.lib.rest.fields import ObjectField


class KindField(serializers.ChoiceField):
    """A choice for people and programs; an import keeps any text, for other platforms have words of their own."""

    MAX_LENGTH = 40

    def to_internal_value(self, data: Any) -> Any:
        if self.context.get("importing") and isinstance(data, str) and 0 < len(data) <= self.MAX_LENGTH:
            return data
        return super().to_internal_value(data)


class ConfigField(ObjectField):
    """A configuration. The document judges it, an import takes it as it is; but never with a secret in it."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        config = super().to_internal_value(data)
        if self.context.get("importing"):
            specs.refuse_inline_secrets(config, self.field_name or "")
        return config

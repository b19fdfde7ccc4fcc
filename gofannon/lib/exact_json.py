"""JSON that comes back as it went in: keys in their order, and a float as a float.

PostgreSQL's `jsonb` sorts keys and makes 1e16 an integer. Code that gets such a value back in a later attempt would
take another course. `json` keeps the text; it cannot be looked into by queries.
"""

import json
from typing import Any

from django.db import models
from psycopg.types.json import Json


class ExactJSONField(models.JSONField):
    def db_type(self, connection: Any) -> str | None:
        return "json" if connection.vendor == "postgresql" else super().db_type(connection)

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        plain = value is not None and not hasattr(value, "as_sql")
        if connection.vendor == "postgresql" and plain:
            return Json(value, dumps=_dumps)
        return super().get_db_prep_value(value, connection, prepared)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """psycopg has parsed `json` already."""
        if connection.vendor == "postgresql":
            return value
        return super().from_db_value(value, expression, connection)


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

"""`UPDATE ... RETURNING`: change rows and learn what they hold now, in one statement. Django has none of its own."""

from typing import Any

from django.db import connections
from django.db.models import QuerySet
from django.db.models.sql import UpdateQuery


def update_returning(rows: QuerySet[Any], values: dict[str, Any], *columns: str) -> list[tuple[Any, ...]]:
    """Updates `rows` (no joins, no slices) with `values` (values or expressions).

    The named columns of each changed row as the database's driver gives them: numbers and text, nothing that Django
    converts.
    """
    query: UpdateQuery = rows.query.chain(UpdateQuery)  # type: ignore[assignment]
    query.add_update_values(values)
    connection = connections[rows.db]
    sql, params = query.get_compiler(rows.db).as_sql()
    named = ", ".join(connection.ops.quote_name(rows.model._meta.get_field(column).column) for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} RETURNING {named}", params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found

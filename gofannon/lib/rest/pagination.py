"""Pages by keyset: `{next, previous, results}`. A page costs the same at the first and at the millionth row.

Each ordering is (field, primary key) over an indexed, non-null field; the cursor holds both values of the edge row,
so that any number of equal values pages right.

A view whose rows may be large names the columns that make them so in `heavy_columns`, such as `("input",
"run__output")`. Its pages end at MAX_PAGE_BYTES of them as well, but hold one row at least; that costs one query more,
which reads nothing but keys and lengths.
"""

import base64
import binascii
import json
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import FieldError, ValidationError
from django.db import DataError
from django.db.models import F, Func, IntegerField, Q, QuerySet, Value
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from gofannon.lib.errors import ApiError

MAX_LIMIT = 200
# Checked before it is read as a number: an endless row of digits is not one that Python converts.
MAX_LIMIT_LENGTH = 4
# Of heavy columns, as text. The process that answers holds them several times over: as rows, as values, as the answer.
MAX_PAGE_BYTES = 4 << 20


class KeysetOrdering(OrderingFilter):
    """`?ordering=name` or `-name`, over the view's `ordering_fields`; anything else is an error, not a silence."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        return queryset.order_by(*self.get_ordering(request, queryset, view))

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> tuple[str, str]:
        allowed = tuple(getattr(view, "ordering_fields", ("created_at",)))
        asked = request.query_params.get(self.ordering_param, "") or getattr(view, "ordering", "-created_at")
        field = asked.removeprefix("-")
        if field not in allowed:
            message = f"ordering is one of {', '.join(allowed)}, each with or without a minus"
            raise ApiError(message, code="invalid_ordering", path="ordering")
        return asked, ("-" if asked.startswith("-") else "") + "pk"


class KeysetPagination(BasePagination):
    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request = request
        self.limit = self._limit(request)
        ordering = queryset.query.order_by or ("-created_at", "-pk")
        self.descending = str(ordering[0]).startswith("-")
        self.field = str(ordering[0]).removeprefix("-")
        cursor = request.query_params.get("cursor")
        backwards, edge = _decode(cursor) if cursor else (False, None)
        rows, more = self._slice(queryset, backwards, edge, _heavy_columns(queryset, view))
        if backwards:
            rows.reverse()
        self.has_next = edge is not None if backwards else more
        self.has_previous = more if backwards else edge is not None
        self.rows = rows
        return rows

    def _slice(
        self, queryset: QuerySet[Any], backwards: bool, edge: tuple[Any, Any] | None, heavy: list[str]
    ) -> tuple[list[Any], bool]:
        """The rows of the page, from its edge on, and whether there are more behind them."""
        falling = self.descending != backwards
        sign, compare = ("-", "lt") if falling else ("", "gt")
        ordered = queryset.order_by(f"{sign}{self.field}", f"{sign}pk")
        if edge is None:
            return self._read(ordered, heavy)
        value, key = edge
        past = Q(**{f"{self.field}__{compare}": value}) | Q(**{self.field: value, f"pk__{compare}": key})
        try:
            # The closed bound lets the index seek; the open one settles ties. Some edges turn out to be out of range
            # only when the query runs: an instant whose UTC lies before the year 1, a number too wide for its column.
            return self._read(ordered.filter(**{f"{self.field}__{compare}e": value}).filter(past), heavy)
        except (ValueError, TypeError, OverflowError, ValidationError, FieldError, DataError) as error:
            raise _bad_cursor() from error

    def _read(self, rows: QuerySet[Any], heavy: list[str]) -> tuple[list[Any], bool]:
        if not heavy:
            found = list(rows[: self.limit + 1])
            return found[: self.limit], len(found) > self.limit
        # The page's keys first: a sort would otherwise measure every row that it puts in order.
        keys_of_page = rows.select_related(None).prefetch_related(None).values("pk")[: self.limit + 1]
        page = rows.model._default_manager.filter(pk__in=keys_of_page).order_by(*rows.query.order_by)
        measured = list(page.annotate(page_bytes=_bytes_of(heavy)).values_list("pk", "page_bytes"))
        keys = _fitting(measured[: self.limit])
        # None of them is an empty page, without another query.
        return list(rows.filter(pk__in=keys)), len(measured) > len(keys)

    def _limit(self, request: Request) -> int:
        raw = request.query_params.get("limit", str(api_settings.PAGE_SIZE))
        if len(raw) > MAX_LIMIT_LENGTH or not raw.isdecimal() or not 1 <= int(raw) <= MAX_LIMIT:
            raise ApiError(f"limit is a number from 1 to {MAX_LIMIT}", code="invalid_limit", path="limit")
        return int(raw)

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "next": self._link(self.rows[-1], backwards=False) if self.has_next and self.rows else None,
                "previous": self._link(self.rows[0], backwards=True) if self.has_previous and self.rows else None,
                "results": data,
            }
        )

    def _link(self, row: Any, *, backwards: bool) -> str:
        value: Any = row
        for part in self.field.split("__"):
            value = getattr(value, part)
        cursor = _encode(backwards, value.isoformat() if hasattr(value, "isoformat") else value, row.pk)
        params = self.request.query_params.copy()
        params["cursor"] = cursor
        return self.request.build_absolute_uri(f"{self.request.path}?{urlencode(sorted(params.items()))}")

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        properties = {"next": link, "previous": link, "results": schema}
        return {"type": "object", "required": ["next", "previous", "results"], "properties": properties}

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {"name": "cursor", "in": "query", "schema": {"type": "string"}, "description": "from next or previous"},
            {
                "name": "limit",
                "in": "query",
                "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": api_settings.PAGE_SIZE},
            },
        ]


class _Octets(Func):
    """The length of a column's text in bytes; 0 for null."""

    template = "COALESCE(OCTET_LENGTH((%(expressions)s)::text), 0)"
    output_field = IntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="COALESCE(LENGTH(CAST(%(expressions)s AS BLOB)), 0)", **context
        )


def _heavy_columns(queryset: QuerySet[Any], view: Any) -> list[str]:
    """The columns that the view calls heavy, without those that its query leaves out."""
    names, leaves_out = queryset.query.deferred_loading
    return [name for name in getattr(view, "heavy_columns", ()) if not (leaves_out and name in names)]


def _bytes_of(columns: list[str]) -> Any:
    total: Any = Value(0)
    for column in columns:
        total = total + _Octets(F(column))
    return total


def _fitting(measured: list[tuple[Any, int]]) -> list[Any]:
    """The keys of the first rows that together have at most MAX_PAGE_BYTES, and of the first one in any case."""
    keys: list[Any] = []
    total = 0
    for key, length in measured:
        total += length
        if keys and total > MAX_PAGE_BYTES:
            break
        keys.append(key)
    return keys


def _encode(backwards: bool, value: Any, key: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps([backwards, value, key]).encode()).decode()


def _decode(cursor: str) -> tuple[bool, tuple[Any, Any]]:
    try:
        backwards, value, key = json.loads(base64.urlsafe_b64decode(cursor.encode()))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise _bad_cursor() from error
    plain = (str, int, float)
    if not isinstance(backwards, bool) or not isinstance(value, plain) or not isinstance(key, str | int):
        raise _bad_cursor()
    if "\x00" in f"{value}{key}" or any("\ud800" <= c <= "\udfff" for c in f"{value}{key}"):
        raise _bad_cursor()
    return backwards, (value, key)


def _bad_cursor() -> ApiError:
    return ApiError("the cursor is not one of ours", code="invalid_cursor", path="cursor")

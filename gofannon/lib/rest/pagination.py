"""Pages by keyset: `{next, previous, results}`. A page costs the same at the first and at the millionth row.

Each ordering is (field, primary key) over an indexed, non-null field; the cursor holds both values of the edge row,
so that any number of equal values pages right.
"""

import base64
import binascii
import json
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import FieldError, ValidationError
from django.db import DataError
from django.db.models import Q, QuerySet
from rest_framework.filters import OrderingFilter
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from gofannon.lib.errors import ApiError

MAX_LIMIT = 200
# Checked before it is read as a number: an endless row of digits is not one that Python converts.
MAX_LIMIT_LENGTH = 4


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
        rows = self._slice(queryset, backwards, edge)
        more = len(rows) > self.limit
        rows = rows[: self.limit]
        if backwards:
            rows.reverse()
        self.has_next = edge is not None if backwards else more
        self.has_previous = more if backwards else edge is not None
        self.rows = rows
        return rows

    def _slice(self, queryset: QuerySet[Any], backwards: bool, edge: tuple[Any, Any] | None) -> list[Any]:
        falling = self.descending != backwards
        sign, compare = ("-", "lt") if falling else ("", "gt")
        ordered = queryset.order_by(f"{sign}{self.field}", f"{sign}pk")
        if edge is None:
            return list(ordered[: self.limit + 1])
        value, key = edge
        past = Q(**{f"{self.field}__{compare}": value}) | Q(**{self.field: value, f"pk__{compare}": key})
        try:
            # The closed bound lets the index seek; the open one settles ties. Some edges turn out to be out of range
            # only when the query runs: an instant whose UTC lies before the year 1, a number too wide for its column.
            return list(ordered.filter(**{f"{self.field}__{compare}e": value}).filter(past)[: self.limit + 1])
        except (ValueError, TypeError, OverflowError, ValidationError, FieldError, DataError) as error:
            raise _bad_cursor() from error

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

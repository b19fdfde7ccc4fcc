"""Filters over list fields, on their indexed child rows."""

from typing import Any

import django_filters
from django.db.models import QuerySet


class ListedFilterSet(django_filters.FilterSet):
    """A filter set whose `listed(...)` filters ask the document's list rows."""


class _ListedFilter(django_filters.CharFilter):
    def filter(self, qs: QuerySet[Any], value: str) -> QuerySet[Any]:
        return qs.listing(self.extra_list, value) if value else qs  # type: ignore[attr-defined]

    def __init__(self, name: str) -> None:
        self.extra_list = name
        super().__init__(label=f"{name} holds")


def listed(name: str) -> django_filters.CharFilter:
    """A query parameter that keeps the documents whose list `name` holds the value."""
    return _ListedFilter(name)

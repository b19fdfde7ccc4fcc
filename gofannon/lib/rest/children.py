"""Growing arrays on the wire: a document shows the newest rows, its `_links` lead to pages of all of them."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from gofannon.lib import appending
from gofannon.lib.rest.pagination import KeysetPagination


class NewestField(serializers.ListSerializer[Any]):
    """`NewestField(child=RowSerializer())`: the newest 100 of the rows that its name says, in their order.

    Reads as `Document.GROWING` describes; an import takes them all from it.
    """

    def get_attribute(self, instance: Any) -> list[Any]:
        return appending.newest(instance, str(self.source))


class ChildPages:
    """For a document's viewset: pages of what belongs to one of its documents."""

    model: Any
    kwargs: dict[str, Any]
    request: Request

    def parent_or_404(self) -> Any:
        """The document of the URL without its children. Raises Http404 for a stranger's."""
        key = self.kwargs["pk"]
        rows = self.model._default_manager.visible_to(self.request.user)
        parent = None if "\x00" in key else rows.filter(pk=key).first()
        if parent is None:
            raise Http404
        return parent

    def child_page(self, name: str, serializer: type[serializers.BaseSerializer[Any]]) -> Response:
        """A page of the growing array `name`, oldest first."""
        return self.page_of(getattr(self.parent_or_404(), name).order_by("seq"), serializer)

    def page_of(self, rows: QuerySet[Any], serializer: type[serializers.BaseSerializer[Any]]) -> Response:
        """A page of `rows` in their order: an indexed, non-null field."""
        paginator = KeysetPagination()
        page = paginator.paginate_queryset(rows, self.request)
        return paginator.get_paginated_response(serializer(page, many=True, context={"request": self.request}).data)

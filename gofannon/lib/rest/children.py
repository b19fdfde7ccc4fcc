"""Growing arrays on the wire: a document shows the newest rows, its `_links` lead to pages of all of them."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import serializers, viewsets
from rest_framework.response import Response

from gofannon.lib import appending
from gofannon.lib.documents import Document


class NewestField(serializers.ListSerializer[Any]):
    """`NewestField(child=RowSerializer())`: the newest 100 rows of the growing array that it is named after, in order.

    A list of documents costs one query for all of them. An import takes every row from it.
    """

    def get_attribute(self, instance: Any) -> list[Any]:
        name, page = str(self.source), getattr(self.root, "instance", None)
        if isinstance(page, list) and not appending.is_loaded(instance, name):
            appending.load_newest([one for one in page if type(one) is type(instance)], name)
        return appending.newest(instance, name)


class ChildPages(viewsets.GenericViewSet[Any]):
    """For a document's viewset: pages of what belongs to one of its documents."""

    model: ClassVar[type[Document]]
    # Of the pages; an action of its own names its own.
    heavy_columns: tuple[str, ...] = ()

    def parent_or_404(self) -> Any:
        """The document of the URL without its children. Raises Http404 for a stranger's."""
        key = self.kwargs["pk"]
        rows: Any = self.model._default_manager
        parent = None if "\x00" in key else rows.visible_to(self.request.user).filter(pk=key).first()
        if parent is None:
            raise Http404
        return parent

    def child_page(self, name: str, serializer: type[serializers.BaseSerializer[Any]]) -> Response:
        """A page of the growing array `name`, oldest first."""
        return self.page_of(getattr(self.parent_or_404(), name).order_by("seq"), serializer)

    def page_of(self, rows: QuerySet[Any], serializer: type[serializers.BaseSerializer[Any]]) -> Response:
        """A page of `rows` in their order: an indexed, non-null field."""
        page = self.paginate_queryset(rows)
        return self.get_paginated_response(serializer(page, many=True, context=self.get_serializer_context()).data)

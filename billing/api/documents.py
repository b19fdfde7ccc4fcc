"""The viewset of every document: list, retrieve, create, update, delete by the wire contract."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import mixins, status, viewsets
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response

from billing import documents
from billing.api.authentication import HasScope
from billing.idempotency import once, replayed
from billing.models import OwnedDocument
from gofannon.lib.documents import Document
from gofannon.lib.errors import ApiError, PreconditionFailed

_LIST_PARAMETERS = ("cursor", "limit", "ordering", "archived", "format")


class StrictListing(mixins.ListModelMixin):
    """Refuses parameters that are not known: a filter with a slip in its name would show everything."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        filters = getattr(getattr(self, "filterset_class", None), "base_filters", ())
        for name in request.query_params:
            if name not in {*_LIST_PARAMETERS, *filters}:
                raise ApiError("there is no such parameter", code="unknown_parameter", path=name)
        return super().list(request, *args, **kwargs)


class DocumentViewSet(StrictListing, viewsets.ModelViewSet[Any]):
    """Subclasses name `model`, `serializer_class`, filters and orderings; rows come through `visible_to` alone."""

    model: ClassVar[type[Document]]
    permission_classes = [IsAuthenticated, HasScope]
    lookup_value_regex = "[^/]+"
    ordering_fields: tuple[str, ...] = ("created_at",)
    run_actions: tuple[str, ...] = ()
    idempotent_actions: tuple[str, ...] = ("create",)
    # POSTs that take no body: one that comes is refused like any unknown field.
    bodiless_actions: tuple[str, ...] = ("archive", "unarchive", "cancel", "check", "retry", "revoke")

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action in self.bodiless_actions and request.data:
            name = next(iter(request.data)) if isinstance(request.data, dict) else None
            raise ApiError("this takes no body", code="unknown_field", path=name)

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            return self.model._default_manager.none()
        rows: Any = self.model._default_manager
        rows = rows.visible_to(self.request.user)
        if self.action == "list" and issubclass(self.model, OwnedDocument):
            archived = self.request.query_params.get("archived") == "true"
            rows = rows.filter(archived_at__isnull=not archived)
        return rows.for_wire()  # type: ignore[no-any-return]

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filters and orderings are a list's: one document is found by its id alone."""
        return queryset if self.detail else super().filter_queryset(queryset)

    def get_object(self) -> Any:
        if "\x00" in self.kwargs[self.lookup_field]:
            raise Http404
        return super().get_object()

    def editable(self) -> Any:
        """The object of the URL, if the user may change it. Raises 404 for a stranger, 403 for a reader."""
        document = self.get_object()
        rows: Any = self.model._default_manager
        if not rows.filter(pk=document.pk).editable_by(self.request.user).exists():
            raise ApiError("you may read this, not change it", code="permission_denied", status=403)
        return document

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        made = False
        document: Any = replayed(request, self.find)
        if document is None:
            serializer = self.get_serializer(data=request.data)
            serializer.is_valid(raise_exception=True)
            document, made = once(request, lambda: self.make(serializer.validated_data), self.find)
        response = self.rendered(document, status.HTTP_201_CREATED)
        response["Location"] = f"/api/{self.model.COLLECTION}/{document.pk}"
        if not made:
            response["Idempotent-Replay"] = "true"
        return response

    def make(self, values: dict[str, Any]) -> Any:
        return documents.create_document(actor=self.request.user, model=self.model, values=values)

    def find(self, document_id: str) -> Any:
        return self.get_queryset().filter(pk=document_id).first()

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.rendered(self.get_object())

    def update(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        document = self.editable()
        expected = expected_version(request)
        if expected not in (None, document.version):  # the update itself settles the race
            raise PreconditionFailed("the document has changed since it was read")
        serializer = self.get_serializer(document, data=request.data, partial=kwargs.get("partial", False))
        serializer.is_valid(raise_exception=True)
        self.change(document, serializer.validated_data, expected)
        # Not through `visible_to`: the owner of a team may just have handed it over.
        rows: Any = self.model._default_manager
        return self.rendered(rows.for_wire().get(pk=document.pk))

    def change(self, document: Any, values: dict[str, Any], expected: int | None) -> None:
        documents.update_document(actor=self.request.user, document=document, values=values, expected_version=expected)

    def destroy(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        self.remove(self.editable(), expected_version(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def remove(self, document: Any, expected: int | None) -> None:
        documents.delete_document(actor=self.request.user, document=document, expected_version=expected)

    def rendered(self, document: Any, code: int = status.HTTP_200_OK) -> Response:
        """The document with its ETag."""
        return Response(self.get_serializer(document).data, status=code, headers={"ETag": f'"{document.version}"'})


class OwnedDocumentViewSet(DocumentViewSet):
    """Adds `archive` and `unarchive` for definitions."""

    @action(detail=True, methods=["post"])
    def archive(self, request: Request, pk: str) -> Response:
        return self._archive(archived=True)

    @action(detail=True, methods=["post"])
    def unarchive(self, request: Request, pk: str) -> Response:
        return self._archive(archived=False)

    def _archive(self, *, archived: bool) -> Response:
        document = self.editable()
        if expected_version(self.request) not in (None, document.version):
            raise PreconditionFailed("the document has changed since it was read")
        documents.archive_document(actor=self.request.user, document=document, archived=archived)
        return self.rendered(document)


def expected_version(request: Request) -> int | None:
    """The version that `If-Match` names; None without one or for `*`. Raises 412 for what never was an ETag of ours."""
    given = request.headers.get("If-Match", "*").strip()
    if given == "*":
        return None
    bare = given.removeprefix("W/").strip('"')
    if not bare.isdecimal() or len(bare) > 9:
        raise ApiError("the document has changed since it was read", code="precondition_failed", status=412)
    return int(bare)

"""What every document is: a row with a string id, an edit counter, times, and list fields held as child rows."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Self

from django.db import models
from django.utils import timezone

from gofannon.lib import appending, ids


class DocumentQuerySet(models.QuerySet[Any]):
    """Every view starts from `visible_to(user)`, so that a stranger's object is simply not there."""

    def visible_to(self, user: Any) -> Self:
        raise TypeError(f"{self.model.__name__} does not say who may see it")

    def editable_by(self, user: Any) -> Self:
        """The rows among `visible_to(user)` that the user may change."""
        raise TypeError(f"{self.model.__name__} does not say who may change it")

    def for_wire(self) -> Self:
        """With all that a serializer reads, in a constant number of queries; growing arrays come by `NewestField`."""
        rows = ("rows",) if self.model.LISTS else ()
        return self.prefetch_related(*rows, *self.model.PREFETCHES)

    def listing(self, field: str, value: str) -> Self:
        """The documents whose list `field` holds `value`."""
        return self.filter(rows__field=field, rows__value=value)


class Document(models.Model):
    """Abstract. `version` counts edits of the document (not appended children) and is served as its ETag."""

    KIND: ClassVar[str]
    COLLECTION: ClassVar[str]
    # The list fields, each held in `rows`.
    LISTS: ClassVar[tuple[str, ...]] = ()
    # Relations that the serializer reads besides `rows`.
    PREFETCHES: ClassVar[tuple[str, ...]] = ()
    # The keys of an import's values that are child rows, which `import_children` stores.
    CHILDREN: ClassVar[tuple[str, ...]] = ()
    # Field or list -> "app.Model" that its value (or each of its values) names.
    REFERENCES: ClassVar[dict[str, str]] = {}
    # History names other documents, but never stands in the way of their deletion.
    HISTORY: ClassVar[bool] = False
    # Of CHILDREN, the growing arrays: relation -> the column that counts its rows (`gofannon.lib.appending`).
    GROWING: ClassVar[dict[str, str]] = {}

    id = models.CharField(primary_key=True, max_length=ids.MAX_LENGTH, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False, db_index=True)
    updated_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = DocumentQuerySet.as_manager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.id:
            self.id = self.make_id()
        super().save(*args, **kwargs)

    @classmethod
    def make_id(cls) -> str:
        return ids.new_id(cls.KIND)

    def __str__(self) -> str:
        return str(getattr(self, "name", "") or self.id)

    @property
    def reference(self) -> str:
        """`<collection>/<id>`, as errors and audit entries name a document."""
        return f"{self.COLLECTION}/{self.id}"

    def listed(self, field: str) -> list[str]:
        """The list `field` in order; free where `rows` were prefetched."""
        rows = [row for row in self.rows.all() if row.field == field]  # type: ignore[attr-defined]
        return [row.value for row in sorted(rows, key=lambda row: row.position)]

    def write_lists(self, values: Mapping[str, Iterable[str]]) -> None:
        """Replaces the given lists. The caller holds the transaction of the edit."""
        if not values:
            return
        rows: Any = self.rows  # type: ignore[attr-defined]
        rows.filter(field__in=list(values)).delete()
        rows.bulk_create(
            rows.model(document=self, field=field, position=position, value=value)
            for field, items in values.items()
            for position, value in enumerate(items)
        )
        getattr(self, "_prefetched_objects_cache", {}).pop("rows", None)

    def check_document(self, actor: Any) -> None:
        """Rules over the whole document, before it is stored. Raises ApiError. `intended` tells its new lists."""

    def stored(self, *, created: bool) -> None:
        """What a model keeps besides its row and lists, in the transaction of the edit."""

    def import_children(self, children: dict[str, Any]) -> None:
        """Stores what an import holds under `CHILDREN`, in the transaction that stores the document."""
        for name, items in children.items():
            rows: Any = self._meta.get_field(name).related_model
            appending.append(self, name, [rows(**item) for item in items])

    def used_by(self) -> list[str]:
        """References of what would break without this document, besides the documents whose REFERENCES name it."""
        return []

    _changing: frozenset[str] | None = None
    _pending_lists: dict[str, list[str]] | None = None

    def begin_edit(self, lists: dict[str, list[str]], changing: Iterable[str] | None = None) -> None:
        """Tells `check_document` what is about to be stored: the new lists, and which fields of a stored document."""
        self._pending_lists = lists
        self._changing = None if changing is None else frozenset(changing)

    def changing(self, field: str) -> bool:
        """Whether the edit under way sets the field anew; always so for a new document."""
        return self._changing is None or field in self._changing

    def intended(self, field: str) -> list[str]:
        """The list `field` as the edit under way will store it."""
        pending = self._pending_lists or {}
        if field in pending:
            return pending[field]
        return [] if self._state.adding else self.listed(field)


class ListRow(models.Model):
    """Abstract: one entry of one list field. The subclass adds `document`, a foreign key with related name `rows`."""

    field = models.CharField(max_length=40)
    position = models.PositiveIntegerField()
    value = models.CharField(max_length=ids.MAX_LENGTH)

    class Meta:
        abstract = True
        constraints = [
            models.UniqueConstraint(fields=["document", "field", "position"], name="%(app_label)s_%(class)s_position")
        ]
        indexes = [models.Index(fields=["field", "value"], name="%(class)s_value")]

    def __str__(self) -> str:
        return self.value

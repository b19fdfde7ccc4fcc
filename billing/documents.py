"""The one way in which documents are written: API, admin, commands and imports all come through here.

Each function runs in one transaction: the document, its lists and whatever its model adds are stored together or not
at all.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import PROTECT, F, ProtectedError
from django.utils import timezone

from billing.models import OwnedDocument, Team
from gofannon.lib.documents import Document
from gofannon.lib.errors import ApiError, Conflict, InUse, PreconditionFailed, raise_all
from gofannon.lib.rest.errors import is_unique_violation

D = TypeVar("D", bound=Document)
# What upper apps do before a document goes: they register here when they are loaded.
BEFORE_DELETE: list[Callable[[Document], None]] = []
# Whoever changes these takes a document from its owner, or shows it to others.
OWNER_FIELDS = ("owner_id", "team_id", "visibility")
# As many users of a document are named where it cannot be deleted.
MAX_USERS = 100


@dataclass(slots=True)
class Imported:
    """What an import made, and the references in it that lead nowhere (`{"path", "id"}` each)."""

    document: Document
    dangling: list[dict[str, str]] = field(default_factory=list)


def create_document(*, actor: Any, model: type[D], values: dict[str, Any]) -> D:
    """Stores a new document owned by `actor`. Raises ApiError; then nothing is stored."""
    columns, lists = _split(model, values)
    document = model(**columns)
    _give_owner(document, actor)
    # What is checked holds when it is stored: both happen in one transaction.
    with _duplicates_refused(), transaction.atomic():
        _check_references(document, actor, values)
        document.begin_edit(lists)
        document.check_document(actor)
        document.save(force_insert=True)
        document.write_lists(lists)
        document.stored(created=True)
    return document


def update_document(
    *, actor: Any, document: Document, values: dict[str, Any], expected_version: int | None = None
) -> None:
    """Changes the given fields and bumps `version`.

    Raises PreconditionFailed where `expected_version` is no longer the stored one, 403 `owner_only` for an editor who
    changes who has or sees the document, other ApiErrors for bad values.
    """
    columns, lists = _split(type(document), values)
    changed = {name: value for name, value in columns.items() if getattr(document, name) != value}
    new_lists = {name: value for name, value in lists.items() if document.listed(name) != value}
    _refuse_taking(actor, document, changed)
    rows = type(document)._default_manager.filter(pk=document.pk)
    if expected_version is not None:
        rows = rows.filter(version=expected_version)
    stamp = timezone.now()
    with _duplicates_refused(), transaction.atomic():
        _check_references(document, actor, {**changed, **new_lists})
        for name, value in changed.items():
            setattr(document, name, value)
        document.begin_edit(new_lists, changing=[*changed, *new_lists])
        document.check_document(actor)
        if not rows.update(version=F("version") + 1, updated_at=stamp, **changed):
            raise PreconditionFailed("the document has changed since it was read")
        document.write_lists(new_lists)
        document.refresh_from_db(fields=["version", "updated_at"])
        document.stored(created=False)


def delete_document(*, actor: Any, document: Document, expected_version: int | None = None) -> None:
    """Raises InUse with the documents that need it; those that the actor may not see are only counted.

    403 `owner_only` where a model's OWNER_DELETES keeps it from editors.
    """
    _refuse_removal(actor, document)
    users, others = users_of(document, actor)
    if users or others:
        raise InUse(document.reference, users, others)
    try:
        with transaction.atomic():
            rows = type(document)._default_manager.filter(pk=document.pk)
            if expected_version is not None and not rows.filter(version=expected_version).update(
                version=F("version") + 1
            ):
                raise PreconditionFailed("the document has changed since it was read")
            for prepare in BEFORE_DELETE:
                prepare(document)
            document.delete()
    except ProtectedError as error:  # named by somebody since they were asked
        raise InUse(document.reference, *users_of(document, actor)) from error


def users_of(document: Document, actor: Any) -> tuple[list[str], int]:
    """(references of the documents that name this one, the number of further ones that the actor may not see).

    Asks every document model whose REFERENCES name this one's, except history and what is deleted along with it.
    Counts no further than MAX_USERS for each reference.
    """
    users, others = document.used_by(), 0
    for model in apps.get_models():
        if not issubclass(model, Document) or model.HISTORY:
            continue
        for name, label in _references(model).items():
            if label == document._meta.label and _needs(model, name):
                rows: Any = model._default_manager
                rows = rows.listing(name, document.pk) if name in model.LISTS else rows.filter(**{name: document.pk})
                rows = rows.exclude(pk=document.pk) if model is type(document) else rows
                keys = list(rows.order_by("pk").values_list("pk", flat=True)[:MAX_USERS])
                seen = set(rows.visible_to(actor).filter(pk__in=keys).values_list("pk", flat=True)) if keys else set()
                users += [f"{model.COLLECTION}/{key}" for key in keys if key in seen]
                others += len(keys) - len(seen)
    return list(dict.fromkeys(users))[:MAX_USERS], others


def _needs(model: type[Document], name: str) -> bool:
    """Whether a document breaks when what `name` names is deleted: lists and protected foreign keys do."""
    if name in model.LISTS:
        return True
    field: Any = next(field for field in model._meta.concrete_fields if field.attname == name)
    return not field.is_relation or field.remote_field.on_delete is PROTECT


def archive_document(*, actor: Any, document: OwnedDocument, archived: bool) -> None:
    """Hides a definition from lists and stops new runs of it, or brings it back. Refused like a deletion."""
    _refuse_removal(actor, document)
    stamp = timezone.now()
    document.archived_at = stamp if archived else None
    rows = type(document)._default_manager.filter(pk=document.pk)
    rows.update(archived_at=document.archived_at, version=F("version") + 1, updated_at=stamp)
    document.refresh_from_db(fields=["version", "updated_at"])


def import_document(*, actor: Any, model: type[D], values: dict[str, Any]) -> Imported:
    """Stores a document as it stands elsewhere, with its id, times and `CHILDREN`. Starts nothing.

    References that lead nowhere are kept and told.

    Raises Conflict (`duplicate`) where the id is taken.
    """
    columns, lists = _split(model, values)
    children = {name: columns.pop(name) for name in model.CHILDREN if name in columns}
    document = model(**columns)
    _give_owner(document, actor)
    dangling = [{"path": path, "id": id_} for path, id_ in _missing(document, None, values)]
    document.begin_edit(lists)
    with _duplicates_refused(), transaction.atomic():
        if document.id and model._default_manager.filter(pk=document.id).exists():
            raise Conflict(f"{document.reference} exists already", code="duplicate", path="_id")
        document.save(force_insert=True)
        document.write_lists(lists)
        document.stored(created=True)
        document.import_children(children)
    return Imported(document, dangling)


def _refuse_taking(actor: Any, document: Document, changed: dict[str, Any]) -> None:
    taken = [name for name in OWNER_FIELDS if name in changed]
    if taken and isinstance(document, OwnedDocument) and not document.owned_by(actor):
        message = "only its owner and staff say who has it and who sees it"
        raise ApiError(message, code="owner_only", path=taken[0], status=403)


def _refuse_removal(actor: Any, document: Document) -> None:
    if isinstance(document, OwnedDocument) and document.OWNER_DELETES and not document.owned_by(actor):
        raise ApiError("only its owner and staff delete or archive it", code="owner_only", status=403)


def _split(model: type[Document], values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, list[str]]]:
    lists = {name: list(value) for name, value in values.items() if name in model.LISTS}
    return {name: value for name, value in values.items() if name not in model.LISTS}, lists


def _give_owner(document: Document, actor: Any) -> None:
    for column in ("owner_id", "user_id"):
        if getattr(document, column, "") is None:
            setattr(document, column, actor.pk)


def _references(model: type[Document]) -> dict[str, str]:
    return {**model.REFERENCES, **({"team_id": Team._meta.label} if issubclass(model, OwnedDocument) else {})}


def _named(document: Document, values: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(path, "app.Model", id) of every reference in `values`."""
    for name, label in _references(type(document)).items():
        value = values.get(name)
        if isinstance(value, str) and value:
            yield name, label, value
        elif isinstance(value, Iterable) and not isinstance(value, str | dict):
            yield from ((f"{name}[{index}]", label, item) for index, item in enumerate(value))


def _missing(document: Document, actor: Any, values: dict[str, Any]) -> list[tuple[str, str]]:
    """(path, id) of the references to what is not there or, with an actor, not visible to them."""
    by_label: dict[str, list[tuple[str, str]]] = {}
    for path, label, id_ in _named(document, values):
        by_label.setdefault(label, []).append((path, id_))
    missing = []
    for label, named in by_label.items():
        manager: Any = apps.get_model(label)._default_manager
        rows = manager.filter(pk__in={id_ for _, id_ in named})
        found = set((rows.visible_to(actor) if actor is not None else rows).values_list("pk", flat=True))
        missing += [(path, id_) for path, id_ in named if id_ not in found]
    return missing


def _check_references(document: Document, actor: Any, values: dict[str, Any]) -> None:
    raise_all(
        [
            ApiError(f"there is no {id_!r} for you to use", code="unknown_reference", path=path)
            for path, id_ in _missing(document, actor, values)
        ]
    )


_COLUMNS = (re.compile(r"Key \((?P<columns>[^)]*)\)"), re.compile(r"UNIQUE constraint failed: (?P<columns>.*)"))


class _duplicates_refused:
    """Turns a unique violation into a Conflict that names the field."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if not isinstance(error, IntegrityError) or not is_unique_violation(error):
            return
        match = next((found for pattern in _COLUMNS if (found := pattern.search(str(error)))), None)
        column = match["columns"].split(",")[-1].strip().split(".")[-1].strip('"') if match else ""
        path = "_id" if column == "id" else column or None
        raise Conflict(f"another document has this {path or 'value'} already", code="duplicate", path=path) from error

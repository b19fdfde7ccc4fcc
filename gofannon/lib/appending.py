"""Arrays that grow (messages, logs, usage): child rows numbered 1, 2, 3 ... per parent, without gaps.

The parent counts its rows (`Document.GROWING` names the column for each relation), so that an append and the newest
rows cost the same at 10 and at 100,000.
"""

from collections.abc import Sequence
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models import F, Prefetch

NEWEST = 100
BATCH = 500
R = TypeVar("R", bound=models.Model)


def append(parent: Any, name: str, rows: Sequence[R], **changes: Any) -> Sequence[R]:
    """Stores `rows`, unsaved rows of the relation `name`, behind those that are there; `rows` with `seq` set.

    `changes` are columns of the parent (values or expressions) that are written by the same UPDATE. One transaction:
    the UPDATE of the counter locks the parent, so that concurrent appends get numbers without gaps.
    Raises the parent's DoesNotExist where it was deleted.
    """
    counter, relation = parent.GROWING[name], parent._meta.get_field(name)
    with transaction.atomic():
        stored = type(parent)._base_manager.filter(pk=parent.pk)
        stored.update(**{counter: F(counter) + len(rows)}, **changes)
        count: int = stored.values_list(counter, flat=True).get()
        for seq, row in enumerate(rows, start=count - len(rows) + 1):
            setattr(row, relation.field.attname, parent.pk)
            setattr(row, "seq", seq)  # noqa: B010 - every relation in GROWING has the column
        relation.related_model._base_manager.bulk_create(rows, batch_size=BATCH)
    setattr(parent, counter, count)
    vars(parent).pop(_kept(name), None)
    return rows


def newest_prefetch(model: Any, name: str) -> Prefetch[Any]:
    """One query for the newest rows of any number of parents: a range of the index (parent, seq) for each."""
    relation = model._meta.get_field(name)
    parent = relation.field.name
    first = F(f"{parent}__{model.GROWING[name]}") - NEWEST
    rows = relation.related_model._default_manager.filter(seq__gt=first).order_by(relation.field.attname, "seq")
    return Prefetch(name, queryset=rows, to_attr=_kept(name))


def newest(parent: Any, name: str) -> list[Any]:
    """The newest 100 rows in their order; free where the parent came `for_wire()`."""
    count: int = getattr(parent, parent.GROWING[name])
    if not count:
        return []
    kept: list[Any] | None = vars(parent).get(_kept(name))
    if kept is None:
        kept = list(getattr(parent, name).filter(seq__gt=count - NEWEST).order_by("seq"))
    return kept


def _kept(name: str) -> str:
    return f"newest_{name}"

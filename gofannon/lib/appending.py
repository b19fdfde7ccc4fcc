"""Arrays that grow (messages, logs, usage): child rows numbered 1, 2, 3 ... per parent, without gaps.

The parent counts its rows (`Document.GROWING` names the column for each relation), so that an append and the newest
rows cost the same at 10 and at 100,000.
"""

from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any, TypeVar

from django.db import models, transaction
from django.db.models import F, Q

NEWEST = 100
BATCH = 500
PARENTS = 200
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


def load_newest(parents: Sequence[Any], name: str) -> None:
    """Reads the newest 100 rows of parents of one model, with one query for each `PARENTS` of them.

    Every parent has a range of the index (parent, seq) of its own: joined to the parents' counters instead, the
    databases read all rows of every parent.
    """
    for start in range(0, len(parents), PARENTS):
        some = parents[start : start + PARENTS]
        counts = {parent.pk: getattr(parent, parent.GROWING[name]) for parent in some}
        found: dict[Any, list[Any]] = {key: [] for key in counts}
        ranges = [_newest_of(some[0], name, key, count) for key, count in counts.items() if count]
        if ranges:
            relation = some[0]._meta.get_field(name)
            for row in relation.related_model._default_manager.filter(reduce(or_, ranges)):
                found[getattr(row, relation.field.attname)].append(row)
        for parent in some:
            setattr(parent, _kept(name), sorted(found[parent.pk], key=lambda row: row.seq))


def newest(parent: Any, name: str) -> list[Any]:
    """The newest 100 rows in their order; free where `load_newest` has read them."""
    if not is_loaded(parent, name):
        load_newest([parent], name)
    rows: list[Any] = getattr(parent, _kept(name))
    return rows


def is_loaded(parent: Any, name: str) -> bool:
    return _kept(name) in vars(parent)


def _newest_of(parent: Any, name: str, key: Any, count: int) -> Q:
    foreign_key = parent._meta.get_field(name).field.attname
    return Q(**{foreign_key: key, "seq__gt": count - NEWEST, "seq__lte": count})


def _kept(name: str) -> str:
    return f"newest_{name}"

"""What a webhook says: the document that callers know the run by, as the API would show it."""

import json
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from rest_framework.utils.encoders import JSONEncoder

from gofannon.lib import clock, money
from workflows import inside
from workflows.models import Delivery, Run, Status

# (what the document is called, the document in its wire shape)
Projected = tuple[str, dict[str, Any]]
Projection = Callable[[Run], Projected | None]

# Dotted paths of projections, wherever they live: the first that finds a document on the run has the word.
PROJECTIONS: tuple[str, ...] = ("tickets.projection.project",)


def body_of(delivery: Delivery, run: Run) -> bytes:
    """`{"id", "type", "timestamp", "data"}` in JSON, built from what is stored: the same for every try."""
    name, data = _projected(run)
    ending = "completed" if run.status == Status.COMPLETED else "failed"
    told = {
        "id": delivery.pk,
        "type": f"{name}.{ending}",
        "timestamp": clock.iso(run.finished_at or run.updated_at),
        "data": data,
    }
    return json.dumps(told, cls=JSONEncoder, separators=(",", ":")).encode()


def _projected(run: Run) -> Projected:
    for path in PROJECTIONS:
        found = _projection(path)(run)
        if found is not None:
            return found
    return "run", {
        "run_id": run.pk,
        "kind": run.kind,
        "status": run.status,
        "output": run.output,
        "error": inside.error_for_actor(run),
        "cost": money.to_usd(run.cost_nano),
        "finished_at": clock.iso(run.finished_at) if run.finished_at else None,
    }


@cache
def _projection(path: str) -> Projection:
    module, _, name = path.rpartition(".")
    projection: Projection = getattr(import_module(module), name)
    return projection

"""What is kept of a trial that found faults: the processes' logs, the blows by time, and the rows of every run."""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder

from tests.chaos.database import asked
from workflows.models import Approval, Effect, Event, Lease, Run

TABLES: tuple[tuple[str, Any, str], ...] = (
    ("run", Run, "id"),
    ("lease", Lease, "run_id"),
    ("event", Event, "run_id"),
    ("effect", Effect, "run_id"),
    ("approval", Approval, "effect__run_id"),
)


def keep(var: Path) -> Path:
    """The directory, which stays. `runs/ID.json` holds one run's rows, by table."""
    kept = Path(tempfile.mkdtemp(prefix="gofannon-chaos-logs-"))
    shutil.copytree(var / "log", kept, dirs_exist_ok=True)
    (kept / "runs").mkdir()
    rows: dict[str, dict[str, list[Any]]] = {}
    for name, model, key in TABLES:
        query = model.objects.order_by("pk").values(*[field.attname for field in model._meta.concrete_fields], key)
        for row in asked(query.__iter__):
            rows.setdefault(row[key], {}).setdefault(name, []).append(row)
    for run_id, tables in rows.items():
        text = json.dumps(tables, cls=DjangoJSONEncoder, indent=1, default=None)
        (kept / "runs" / f"{run_id}.json").write_text(text, encoding="utf-8")
    return kept

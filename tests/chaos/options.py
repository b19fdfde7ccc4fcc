"""What a trial is told, by its environment.

CHAOS_SEED: of the load and of the blows; a random one is printed. CHAOS_SECONDS: how long blows fall (60).
CHAOS_KILLS: if given, they fall until there were so many, a worker's and the web process's death among them.
CHAOS_WORKERS: Celery workers beside the one web process (2). CHAOS_DATABASE: postgres or sqlite.
CHAOS_REPORT: a file that gets the verdict as JSON. CHAOS_KEEP: true keeps logs and rows of a trial without faults too.
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from gofannon import env


@dataclass(frozen=True, slots=True)
class Options:
    """`kills` None: blows fall for `seconds`."""

    seed: int
    seconds: int
    kills: int | None
    workers: int
    database: str
    report: Path | None
    keep: bool

    @classmethod
    def from_environment(cls) -> "Options":
        """Raises ImproperlyConfigured where a value makes no sense."""
        kills = env.integer("CHAOS_KILLS", 0, low=0, high=1_000_000)
        report = os.environ.get("CHAOS_REPORT", "").strip()
        return cls(
            seed=env.integer("CHAOS_SEED", secrets.randbelow(1_000_000), low=0, high=1 << 62),
            seconds=env.integer("CHAOS_SECONDS", 60, low=1, high=86_400),
            kills=kills or None,
            workers=env.integer("CHAOS_WORKERS", 2, low=1, high=16),
            database=env.choice("CHAOS_DATABASE", "postgres", ("postgres", "sqlite")),
            report=Path(report) if report else None,
            keep=env.boolean("CHAOS_KEEP", default=False),
        )

"""Runners: what executes a run, found by its kind.

A runner reads the run, does the work and returns a Result; it writes no status. It may raise: that is a fault of ours
and is tried again with backoff. It watches `control.cancelled`.
"""

import threading
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from workflows.models import Blocker, Run
from workflows.transitions import Note

# kind -> dotted path of a Runner class, wherever it lives.
RUNNERS: dict[str, str] = {
    "code": "workflows.code_runner.CodeRunner",
}


@dataclass(slots=True)
class Control:
    """What the outside says to a run under way."""

    run: Run
    cancelled: threading.Event = field(default_factory=threading.Event)
    lost: bool = False

    def cancel(self, *, lost: bool = False) -> None:
        self.lost = self.lost or lost
        self.cancelled.set()


@dataclass(frozen=True, slots=True)
class Completed:
    output: Any
    cost_nano: int = 0
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """`permanent` false: worth another attempt."""

    code: str
    message: str
    permanent: bool = True
    detail: dict[str, Any] = field(default_factory=dict)
    cost_nano: int = 0
    notes: tuple[Note, ...] = ()

    @property
    def error(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "permanent": self.permanent, **self.detail}


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: again in `seconds`, or when `blocker` is gone."""

    seconds: float | None = None
    blocker: Blocker = Blocker.NONE
    detail: str = ""


Result = Completed | Failed | Later


class Runner(Protocol):
    def run(self, control: Control) -> Result: ...


@cache
def runner_of(kind: str) -> Runner:
    """The runner of a kind. Raises KeyError for a kind that nobody runs."""
    module, _, name = RUNNERS[kind].rpartition(".")
    runner: Runner = getattr(import_module(module), name)()
    return runner

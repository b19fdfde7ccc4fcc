"""Runners: what executes a run, found by its kind.

A runner reads the run, does the work and returns a Result; it writes no status. It may raise: that is a fault of ours
and is tried again with backoff. It watches `control.cancelled`, and begins no further call once `control.draining`.
"""

import threading
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, Protocol

from workflows import leases
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
    draining: threading.Event = field(default_factory=threading.Event)
    lost: bool = False
    timed_out: bool = False
    # What the run has to show if it is ended by a limit; goes into `error.partial`.
    partial: Any = None
    renewed: float = 0.0
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = self.renewed = self.run.claim.since if self.run.claim else leases.clock()

    def seconds_over(self) -> float:
        """By how much the attempt has exceeded its wall clock; negative while it has not."""
        limit = self.run.limits.get("wall_seconds")
        return -1.0 if limit is None else leases.clock() - self.began - float(limit)

    def time_out(self) -> None:
        self.timed_out = True
        self.cancelled.set()

    def cancel(self, *, lost: bool = False) -> None:
        self.lost = self.lost or lost
        self.cancelled.set()

    @property
    def is_sure(self) -> bool:
        """Whether nobody else can have claimed the run: its lease is not about to run out."""
        return not self.lost and leases.clock() - self.renewed < leases.LEASE_SECONDS - leases.MARGIN_SECONDS

    def be_sure(self) -> None:
        """The last look before something leaves the house. Raises LeaseLost."""
        if not self.is_sure:
            raise leases.LeaseLost(self.run.pk)


@dataclass(frozen=True, slots=True)
class Completed:
    output: Any
    cost_nano: int = 0
    notes: tuple[Note, ...] = ()
    stdout: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """`permanent` false: worth another attempt."""

    code: str
    message: str
    permanent: bool = True
    detail: dict[str, Any] = field(default_factory=dict)
    cost_nano: int = 0
    notes: tuple[Note, ...] = ()
    stdout: str = ""

    @property
    def error(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "permanent": self.permanent, **self.detail}


@dataclass(frozen=True, slots=True)
class Later:
    """Not now: again in `seconds`, or when `blocker` is gone, or whichever comes first."""

    seconds: float | None = None
    blocker: Blocker = Blocker.NONE
    detail: str = ""
    notes: tuple[Note, ...] = ()


Result = Completed | Failed | Later


class Runner(Protocol):
    def run(self, control: Control) -> Result: ...


@cache
def runner_of(kind: str) -> Runner:
    """The runner of a kind. Raises KeyError for a kind that nobody runs."""
    module, _, name = RUNNERS[kind].rpartition(".")
    runner: Runner = getattr(import_module(module), name)()
    return runner

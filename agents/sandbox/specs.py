"""The sandbox's vocabulary: jobs, limits, host calls, outcomes and the names of what can go wrong."""

import enum
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, Literal

MiB = 1 << 20

JSON = Any
"""None, bool, int, float (finite), str, list or dict with str keys."""

Runtime = Literal["cpython", "monty"]
RUNTIMES: tuple[Runtime, ...] = ("cpython", "monty")

ErrorCode = Literal[
    "syntax_error",
    "no_handler",
    "code_too_large",
    "code_error",
    "not_json",
    "not_finite",
    "output_too_large",
    "stdout_too_large",
    "time_limit",
    "cpu_limit",
    "memory_limit",
    "host_call_limit",
    "code_exited",
    "cancelled",
    "non_determinism",
    "sandbox_failed",
    "runtime_unavailable",
]
"""Stable names. Only sandbox_failed is ours and worth a retry."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run may use; each breach has its own error code.

    Memory counts what the code adds to the warm interpreter, and is never more than 64 MiB in monty; output is the
    result as UTF-8 JSON, of at most 600 000 commas and opening brackets, those inside of text included; stdout includes
    stderr; wall time includes host calls, CPU time does not.
    """

    wall_seconds: float = 30.0
    cpu_seconds: float = 10.0
    memory_bytes: int = 256 * MiB
    output_bytes: int = MiB
    stdout_bytes: int = 256 << 10
    host_calls: int = 1000


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer stands in a run's course.

    `step` counts from 1 the inputs that the code gets; `clock` is seconds since the run's beginning on the run's clock.
    The answer to `log` is no input and moves no clock: its step is the number of inputs given before it.
    """

    step: int
    clock: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the caller's ledger knows of a call of an earlier attempt; no `place` if its answer was never given."""

    id: int
    made_after: int
    place: Place | None


@dataclass(frozen=True, slots=True)
class Job:
    """One execution of an agent's code.

    `now` (seconds since the epoch) is where the run's clock starts, `seed` seeds chance, and `tools` are dotted
    names: "web.web_search" is called as `tools.web.web_search(...)`. `replay` lists the calls of earlier attempts: the
    code is driven through the same course again. `checkpoint` is an earlier outcome's: monty goes on from there, and
    where it cannot, from the start with `replay`.
    """

    code: str
    event: JSON
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    now: float = 0.0
    tools: tuple[str, ...] = ()
    replay: tuple[Recorded, ...] = ()
    checkpoint: bytes | None = None


def _nowhere() -> Place:
    return Place(0, 0.0)


def never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class HostCall:
    """A call out of the sandbox: ids count 1, 2, 3... in the order in which the code made them.

    Names and arguments: "log" {message, fields}, "call_llm" {prompt?, **options}, "call_agent" {name, input},
    "tool:web.web_search" {the tool's own}. Everything in it was written by untrusted code; it is UTF-8,
    and a NUL in it has become U+FFFD.

    `made_after` is the number of inputs that the code had been given by then. `settle`, callable from any thread, is
    for hosts that keep a ledger: called with the answer in hand, before it is stored, it reserves the answer's place.

    `abandoned`, callable from any thread, is true once nobody waits for the answer any more: the run was cancelled, or
    met a limit, or its child died. The run ends only when its calls have: a host that works long asks about four times
    a second and gives up.
    """

    id: int
    name: str
    arguments: dict[str, JSON]
    made_after: int = 0
    settle: Callable[[], Place] = field(default=_nowhere, compare=False, repr=False)
    abandoned: Callable[[], bool] = field(default=never, compare=False, repr=False)


class Later(enum.Enum):
    """The type of LATER."""

    LATER = "later"


LATER: Final = Later.LATER
"""In place of an answer: it comes in another life of the run. The run ends suspended once nothing else is to do."""


Host = Callable[[HostCall], JSON | Future[JSON]]
"""Answers host calls: "log" in the thread of `run`, every other in threads of the run's own, where async code may
have several under way. May return a concurrent Future, and LATER in either way. HostCallError goes to the code,
NonDeterminism ends the run with that error; any other exception ends the run and comes out of `run` itself. Calls that
are under way when the code ends by itself are waited for, within the run's wall limit; of those that are abandoned,
whatever comes is dropped."""

Cancelled = Callable[[], bool] | threading.Event
"""Asked about four times a second; true ends the run with "cancelled"."""


class HostCallError(Exception):
    """Raised by a Host: the code gets it as an exception whose text is "code: message" and may catch it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class NonDeterminism(Exception):
    """Raised by a Host: the code did not do what it did in an earlier attempt; the text says what. Ends the run."""


class NoSlot(Exception):
    """The pool has no free place, and the caller does not want to wait for one."""


@dataclass(frozen=True, slots=True)
class SandboxError:
    """Why a run has no output. `traceback` shows the agent's own lines only; `line` is the last of them."""

    code: ErrorCode
    message: str
    traceback: str = ""
    line: int | None = None

    @property
    def permanent(self) -> bool:
        """Whether another attempt would end the same way."""
        return self.code != "sandbox_failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: `output` if `error` is None. `stdout` holds what was printed, stderr included, in any case.

    A `suspended` run has neither output nor error: it waits for answers that are to come LATER, and goes on by
    Job.replay, in monty also by Job.checkpoint with this `checkpoint`. `steps` counts the inputs given.
    """

    output: JSON
    error: SandboxError | None
    stdout: str
    cpu_seconds: float
    wall_seconds: float
    peak_memory_bytes: int
    runtime: Runtime
    suspended: bool = False
    checkpoint: bytes | None = None
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong with code that was not run; `line` and `column` count from 1."""

    code: str
    message: str
    line: int | None = None
    column: int | None = None


class RuntimeUnavailable(Exception):
    """No runtime may execute the code here; the text says what is missing."""

    code: ErrorCode = "runtime_unavailable"


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """Whether a runtime may be used, why not, and what was looked at (check -> finding)."""

    available: bool
    reason: str
    checks: dict[str, str]

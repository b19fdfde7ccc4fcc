"""The sandbox's vocabulary: jobs, limits, host calls, outcomes and the names of what can go wrong."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Literal

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
class Job:
    """One execution of an agent's code.

    `now` (seconds since the epoch) is where the run's clock starts, `seed` seeds `random`, and `tools` are dotted
    names: "web.web_search" is called as `tools.web.web_search(...)`.
    """

    code: str
    event: JSON
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    now: float = 0.0
    tools: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HostCall:
    """A call out of the sandbox: ids count 1, 2, 3... in the order in which the code made them.

    Names and arguments: "log" {message, fields}, "call_llm" {prompt?, **options}, "call_agent" {name, input},
    "tool:web.web_search" {the tool's own}. Everything in it was written by untrusted code; it is UTF-8,
    and a NUL in it has become U+FFFD.
    """

    id: int
    name: str
    arguments: dict[str, JSON]


Host = Callable[[HostCall], JSON | Future[JSON]]
"""Answers host calls. Called in the thread of `run` while the code waits (sync code), in threads of the run's own
where several calls may be under way (async code); may return a concurrent Future. HostCallError goes to the code;
any other exception ends the run and comes out of `run` itself."""

Cancelled = Callable[[], bool] | threading.Event
"""Asked about four times a second; true ends the run with "cancelled"."""


class HostCallError(Exception):
    """Raised by a Host: the code gets it as an exception whose text is "code: message" and may catch it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


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
    """How a run ended: `output` if `error` is None. `stdout` holds what was printed, stderr included, in any case."""

    output: JSON
    error: SandboxError | None
    stdout: str
    cpu_seconds: float
    wall_seconds: float
    peak_memory_bytes: int
    runtime: Runtime


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

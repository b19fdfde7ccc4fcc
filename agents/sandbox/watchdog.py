"""Ends monty's workers at their limits of time or on request: their runs block inside the interpreter's own client.

CPU time is counted here and not by monty, whose own limit runs on the wall clock and so strikes on a busy machine.
"""

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from .specs import ErrorCode

_TICK_SECONDS = 0.1


@dataclass(slots=True)
class Watch:
    """One run under watch; `deadline` is monotonic, `ended_by` says why its worker was killed."""

    pidfd: int
    deadline: float
    cancelled: Callable[[], bool]
    used_cpu: Callable[[], float]
    cpu_seconds: float
    ended_by: ErrorCode | None = None
    over: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self) -> None:
        """Kill the worker if its time has come."""
        with self.lock:
            if self.over or self.ended_by:
                return
            used = self.used_cpu()
            if self.cancelled():
                self.ended_by = "cancelled"
            elif time.monotonic() >= self.deadline:
                self.ended_by = "time_limit"
            elif used >= self.cpu_seconds:
                self.ended_by = "cpu_limit"
            else:
                return
            self._kill()

    def strike(self) -> None:
        """Kill the worker now, for a reason that the caller has noted."""
        with self.lock:
            if not self.over:
                self._kill()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def end(self) -> None:
        """The run is over: from here on nothing is killed, and the pidfd may be closed."""
        with self.lock:
            self.over = True


class Watchdog:
    """One thread that looks at every watched run ten times a second; it ends when there is nothing to watch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: list[Watch] = []
        self._running = False

    def add(self, watch: Watch) -> None:
        """Begin to watch."""
        with self._lock:
            self._watched.append(watch)
            if not self._running:
                self._running = True
                threading.Thread(target=self._serve, name="sandbox-watchdog", daemon=True).start()

    def _serve(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            with self._lock:
                self._watched = [watch for watch in self._watched if not (watch.over or watch.ended_by)]
                if not self._watched:
                    self._running = False
                    return
                watched = list(self._watched)
            for watch in watched:
                watch.look()

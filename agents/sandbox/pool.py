"""The sandbox as callers use it: run a job, in a runtime that contains it or not at all."""

import threading
from collections.abc import Callable
from typing import Literal

from . import checks
from .engines import engines
from .hosting import HostAtWork
from .specs import Cancelled, Host, Job, NoSlot, Outcome, Runtime, RuntimeUnavailable, SandboxError, never

MOST_CHILDREN = 64
_TICK_SECONDS = 0.2
# How long a run waits for calls that it has abandoned: those whose host asks for that end in less.
_ABANDONED_SECONDS = 2.0


class Pool:
    """Runs jobs for many threads at once, at most `children` of them; the rest wait.

    A run keeps its place until the last of its host calls has ended, if need be beyond its own end: threads are no more
    than the places account for.
    """

    def __init__(self, children: int = MOST_CHILDREN) -> None:
        self._slots = threading.BoundedSemaphore(children)

    def run(
        self,
        job: Job,
        *,
        runtime: Literal["auto", "cpython", "monty"] = "auto",
        host: Host,
        cancelled: Cancelled = never,
        wait_for_slot: bool = True,
    ) -> Outcome:
        """Execute a job and wait for its end; limits count from when it gets a slot.

        Whatever the code does comes back as an Outcome, a missing runtime too ("runtime_unavailable"). Raises only
        what the host raises beyond HostCallError and NonDeterminism, after the run was ended, and NoSlot at once if no
        place is free and it is not to `wait_for_slot`.
        """
        is_cancelled = cancelled.is_set if isinstance(cancelled, threading.Event) else cancelled
        try:
            chosen = checks.choose_runtime(job.code, runtime)
        except RuntimeUnavailable as error:
            return _refused(SandboxError("runtime_unavailable", str(error)), runtime)
        if not wait_for_slot:
            if not self._slots.acquire(blocking=False):
                raise NoSlot("every place of the sandbox is taken")
        elif not self._wait_for_slot(is_cancelled):
            return _refused(SandboxError("cancelled", "the run was cancelled before it began"), chosen)
        at_work = HostAtWork(host)
        try:
            return engines.execute(chosen, job, at_work, is_cancelled)
        finally:
            at_work.end(_ABANDONED_SECONDS, self._slots.release)

    def _wait_for_slot(self, cancelled: Callable[[], bool]) -> bool:
        while not self._slots.acquire(timeout=_TICK_SECONDS):
            if cancelled():
                return False
        return True

    def close(self) -> None:
        """End this process's children; a later run makes new ones."""
        engines.close()


def _refused(error: SandboxError, runtime: str) -> Outcome:
    named: Runtime = "monty" if runtime == "monty" else "cpython"
    return Outcome(None, error, "", 0.0, 0.0, 0, named)


_pool = Pool()
run = _pool.run
close = _pool.close

"""The sandbox as callers use it: run a job, in a runtime that contains it or not at all."""

import threading
from collections.abc import Callable
from typing import Literal

from . import checks
from .engines import engines
from .specs import Cancelled, Host, Job, NoSlot, Outcome, Runtime, RuntimeUnavailable, SandboxError

MOST_CHILDREN = 64
_TICK_SECONDS = 0.2


def _never() -> bool:
    return False


class Pool:
    """Runs jobs for many threads at once, at most `children` of them; the rest wait."""

    def __init__(self, children: int = MOST_CHILDREN) -> None:
        self._slots = threading.BoundedSemaphore(children)

    def run(
        self,
        job: Job,
        *,
        runtime: Literal["auto", "cpython", "monty"] = "auto",
        host: Host,
        cancelled: Cancelled = _never,
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
        try:
            return engines.execute(chosen, job, host, is_cancelled)
        finally:
            self._slots.release()

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

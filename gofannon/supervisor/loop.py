"""The supervisor's loop: start what is due, sleep until a signal or the next start, reap; at the end stop all."""

import ctypes
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from gofannon.supervisor.child import Child

TICK = 60.0
_PR_SET_CHILD_SUBREAPER = 36


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Supervisor:
    """Keeps children running until SIGTERM, SIGINT or SIGHUP. It owns this process's signals and children."""

    def __init__(self, grace: float = 10.0, report: Callable[[str], None] = say) -> None:
        self.children: list[Child] = []
        self.asked = 0
        self._grace = grace
        self._report = report
        self._bell, self._ringer = socket.socketpair()
        self._bell.setblocking(False)
        self._ringer.setblocking(False)
        signal.set_wakeup_fd(self._ringer.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        if sys.platform == "linux":
            # What a killed child leaves behind comes to this process, which can then end it.
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def add(self, *children: Child) -> None:
        """Have `children` run; they are stopped in the opposite order."""
        self.children.extend(children)

    def run(self, until: Child | None = None) -> int | None:
        """Keep the children running until asked to stop (None), or until `until` has ended (its exit code)."""
        while not self.asked:
            codes = self._turn()
            if until in codes:
                return codes[until]
        return None

    def stop(self) -> None:
        """SIGTERM to all but the `last` ones, then to those, then SIGKILL past the grace period; nothing remains.

        A second request to stop ends the grace period.
        """
        self.asked = max(self.asked, 1)
        deadline = time.monotonic() + self._grace
        for last in (False, True):
            phase = [child for child in reversed(self.children) if child.program.last is last]
            for child in phase:
                child.ask_to_stop()
            while any(child.process for child in phase) and self.asked < 2 and time.monotonic() < deadline:
                self._wait(deadline - time.monotonic())
                self._reap()
        for child in self.children:
            child.kill()
        _kill_adopted()

    def _turn(self) -> dict[Child | None, int]:
        for child in self.children:
            child.rotate_log()
            if child.due is not None and child.due <= child.clock():
                child.start()
        self._wait(min([TICK, *(child.due - child.clock() for child in self.children if child.due is not None)]))
        return self._reap()

    def _wait(self, seconds: float) -> None:
        select.select([self._bell], [], [], max(0.0, seconds))
        try:
            while self._bell.recv(4096):
                continue
        except BlockingIOError:
            return

    def _reap(self) -> dict[Child | None, int]:
        codes: dict[Child | None, int] = {}
        for child in self.children:
            code = child.reap()
            if code is not None:
                codes[child] = code
                self._report_death(child, code)
        _reap_adopted({child.process.pid for child in self.children if child.process})
        return codes

    def _report_death(self, child: Child, code: int) -> None:
        if self.asked or (code == 0 and child.due is None):
            return
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        then = "" if child.due is None else f"; starting it again in {child.due - child.clock():.1f} s"
        tail = "".join(f"\n    {line}" for line in child.log_tail().splitlines()) if code > 0 else ""
        self._report(f"{child.program.name} {how}{then}{tail}")

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1


def _reap_adopted(known: set[int]) -> None:
    """Take leave of orphans that have ended; `known` children are left to their own `reap`."""
    try:
        while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and ended.si_pid not in known:
            os.waitpid(ended.si_pid, 0)
    except ChildProcessError:
        return


def _kill_adopted() -> None:
    """End every process that is still a child of this one, and those that become so while their parents end."""
    listing = Path(f"/proc/self/task/{os.getpid()}/children")
    while listing.exists() and (pids := [int(pid) for pid in listing.read_text().split()]):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        for pid in pids:
            os.waitpid(pid, 0)

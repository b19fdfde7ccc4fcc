"""The caller's side of the zygote: one confined interpreter per process, made when needed, replaced when dead."""

import os
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from .inside import frames
from .specs import Limits

T = TypeVar("T")

_START_SECONDS = 20.0
_BOOTSTRAP = "import sys; sys.path.insert(0, sys.argv[1]); from inside.zygote import main; main(int(sys.argv[2]))"


class ZygoteFailed(Exception):
    """The confined interpreter could not be made, or is gone; the text says why."""


@dataclass(slots=True)
class Ends:
    """A run's three lines: its own socket, its output pipe (read end), and the zygote's report on it."""

    line: socket.socket
    output: int
    report: socket.socket

    def close(self) -> None:
        """Close all three; the zygote kills a run whose report line closes."""
        self.report.close()
        self.line.close()
        os.close(self.output)


class Spawner:
    """Starts processes from one thread that lives as long as this process.

    A parent-death signal comes when the *thread* that started a process ends, so no short-lived thread may do it.
    """

    def __init__(self) -> None:
        self._work: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        threading.Thread(target=self._serve, name="sandbox-spawner", daemon=True).start()

    def _serve(self) -> None:
        while True:
            self._work.get()()

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in that thread; its value, or its exception."""
        future: Future[T] = Future()

        def work() -> None:
            try:
                future.set_result(function())
            except BaseException as error:
                future.set_exception(error)

        self._work.put(work)
        return future.result()


def interpreter() -> str:
    """The base interpreter's executable, outside any virtual environment."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (base, f"{sys.base_exec_prefix}/bin/{version}", sys.executable):
        if candidate and os.access(candidate, os.X_OK):
            return os.path.realpath(candidate)
    raise ZygoteFailed("no Python interpreter to run code in was found")


def _blocking_pair(kind: socket.SocketKind = socket.SOCK_STREAM) -> tuple[socket.socket, socket.socket]:
    """Two ends that block, whatever this process gives new sockets by default: a Celery worker that ends changes it."""
    pair = socket.socketpair(socket.AF_UNIX, kind)
    for end in pair:
        end.settimeout(None)
    return pair


class Zygote:
    """A running confined interpreter; `started` tells what confinement it reported."""

    def __init__(self, spawner: Spawner, executable: str | None = None) -> None:
        ours, theirs = _blocking_pair(socket.SOCK_SEQPACKET)
        self._control = ours
        self._sending = threading.Lock()
        command = [executable or interpreter(), "-s", "-P", "-S", "-B", "-X", "utf8", "-c", _BOOTSTRAP]
        command += [str(Path(__file__).parent), str(theirs.fileno())]
        with theirs:
            self.process = spawner.call(
                lambda: subprocess.Popen(
                    command,
                    env={"PYTHONHASHSEED": "0"},
                    cwd="/",
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            )
        self.started = self._await_start()

    def _await_start(self) -> str:
        self._control.settimeout(_START_SECONDS)
        try:
            word, _, text = self._control.recv(4096).decode(errors="replace").partition(": ")
        except OSError as error:
            word, text = "failed", f"no answer from the interpreter: {error}"
        if word != "ready":
            self.close()
            raise ZygoteFailed(text or f"the interpreter ended by itself (status {self.process.poll()})")
        self._control.settimeout(None)
        return text

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None

    def start(self, limits: Limits) -> Ends:
        """Have a run forked; its lines. Raises OSError if the zygote is gone."""
        ours, theirs = _blocking_pair()
        report, their_report = _blocking_pair()
        output, their_output = os.pipe()
        ends = Ends(ours, output, report)
        try:
            message = frames.START.pack(limits.cpu_seconds, limits.memory_bytes)
            with self._sending:
                socket.send_fds(self._control, [message], [theirs.fileno(), their_output, their_report.fileno()])
        except OSError:
            ends.close()
            raise
        finally:
            theirs.close()
            their_report.close()
            os.close(their_output)
        return ends

    def forget(self) -> None:
        """Close our end in a forked copy of this process, where the zygote is not ours."""
        self._control.close()

    def close(self) -> None:
        """End the zygote and every run of it."""
        self._control.close()
        self.process.kill()
        self.process.wait()


class ZygoteKeeper:
    """Hands out the process's zygote, making a new one after a death or a fork of the process."""

    def __init__(self, spawner: Callable[[], Spawner], executable: str | None = None) -> None:
        self._spawner, self._executable = spawner, executable
        self._lock = threading.Lock()
        self._zygote: Zygote | None = None

    def get(self) -> Zygote:
        """A living zygote; raises ZygoteFailed."""
        with self._lock:
            if self._zygote is not None and not self._zygote.alive:
                self._zygote.close()
                self._zygote = None
            if self._zygote is None:
                self._zygote = Zygote(self._spawner(), self._executable)
            return self._zygote

    def start(self, limits: Limits) -> Ends:
        """Have a run forked by a living zygote; raises ZygoteFailed."""
        for _attempt in range(2):
            zygote = self.get()
            try:
                return zygote.start(limits)
            except OSError:
                zygote.process.kill()
                zygote.process.wait()
        raise ZygoteFailed("the zygote ended as soon as it was made")

    def forget(self) -> None:
        """After a fork: the zygote belongs to the parent process."""
        self._lock = threading.Lock()
        if self._zygote is not None:
            self._zygote.forget()
            self._zygote = None

    def close(self) -> None:
        """End the zygote."""
        with self._lock:
            if self._zygote is not None:
                self._zygote.close()
                self._zygote = None

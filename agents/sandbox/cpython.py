"""A run in the cpython runtime, from the caller's side: one loop over the child's socket, output and end.

Everything the child sends is hostile until proven otherwise: sizes are checked before anything is read, ids must
count up, text must be UTF-8, numbers finite; whatever is else ends the run.
"""

import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast, get_args

from . import border
from .hosting import HostCalls, UnderWay
from .inside import frames, values
from .inside.child import OUT_OF_MEMORY
from .source import MAX_CODE_BYTES, too_large
from .spawn import Ends, ZygoteFailed, ZygoteKeeper
from .specs import ErrorCode, Host, HostCall, Job, Outcome, SandboxError

_TICK_SECONDS = 0.2
_END_SECONDS = 10.0
_UNSENT_BYTES = 4 << 20
# What a child may say of itself; the rest is for us to find.
_CHILD_CODES = frozenset(get_args(ErrorCode)) - {"sandbox_failed", "runtime_unavailable", "cancelled", "time_limit"}


class _Garbage(Exception):
    """The child sent what no honest child sends."""


def _parse(body: bytes) -> Any:
    try:
        return values.parse(values.without_nul(body))
    except ValueError as error:
        raise _Garbage(f"it sent broken JSON ({error})") from None


def _error_from(body: bytes) -> SandboxError:
    report = _parse(body)
    if not isinstance(report, dict):
        raise _Garbage("its error report has the wrong shape")
    code, message = report.get("code"), str(report.get("message"))
    line = report.get("line")
    return SandboxError(
        code=cast(ErrorCode, code) if code in _CHILD_CODES else "code_error",
        message=message,
        traceback=str(report.get("traceback")),
        line=line if isinstance(line, int) and 0 < line <= MAX_CODE_BYTES else None,
    )


class Talk:
    """The conversation with one child until it ends, one way or another."""

    def __init__(self, job: Job, ends: Ends, host: Host, cancelled: Callable[[], bool]) -> None:
        self._job, self._ends, self._cancelled = job, ends, cancelled
        self._calls = HostCalls(host, job.tools)
        self._deadline = time.monotonic() + job.limits.wall_seconds
        self._unsent = bytearray()
        self._received = bytearray()
        self._stdout = bytearray()
        self._confined = False
        self._last_call = 0
        self._usage: tuple[int, float, float, int] | None = None
        self._output: Any = None
        self._has_output = False
        self._error: SandboxError | None = None
        self._poll = select.poll()

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> tuple[Any, SandboxError | None]:
        """Talk until the end; the output or the error. Raises what the host raises beyond HostCallError."""
        ends = self._ends
        ends.line.setblocking(False)
        os.set_blocking(ends.output, False)
        self._poll.register(ends.output, select.POLLIN)
        self._poll.register(ends.report, select.POLLIN)
        self._poll.register(self._calls.wake, select.POLLIN)
        try:
            self._send(frames.JOB, self._job_body())
            while not self._over:
                self._step()
            self._finish()
        except _Garbage as error:
            self._fail("code_exited", f"the code ended without a result: {error}")
            self._finish()
        finally:
            self._calls.close()
        return self._output, self._error

    @property
    def _over(self) -> bool:
        return self._has_output or self._error is not None or self._usage is not None

    def _step(self) -> None:
        if self._cancelled():
            return self._fail("cancelled", "the run was cancelled")
        left = self._deadline - time.monotonic()
        if left <= 0:
            return self._fail("time_limit", f"the run took longer than {self._job.limits.wall_seconds:g} s")
        self._poll.register(self._ends.line, self._wanted_events())
        ready = dict(self._poll.poll(min(left, _TICK_SECONDS) * 1000 + 1))
        # The output first: it was written before the result that would end the loop.
        if self._ends.output in ready:
            self._read_output()
        if self._ends.line.fileno() in ready:
            self._exchange(ready[self._ends.line.fileno()])
        if self._calls.wake in ready:
            for reply in self._calls.replies():
                self._reply(reply)
        if self._ends.report.fileno() in ready and not self._over:
            self._read_usage()
        return None

    def _wanted_events(self) -> int:
        busy = len(self._unsent) > _UNSENT_BYTES or self._calls.full
        return (0 if busy else select.POLLIN) | (select.POLLOUT if self._unsent else 0)

    def _fail(self, code: ErrorCode, message: str) -> None:
        self._error = self._error or SandboxError(code, message)

    # -- towards the child ---------------------------------------------------------------------------------------

    def _job_body(self) -> bytes:
        job = self._job
        return values.encode(
            {
                "code": job.code,
                "event": job.event,
                "seed": job.seed,
                "now": job.now,
                "tools": list(job.tools),
                "output_bytes": job.limits.output_bytes,
            },
            "job",
        )

    def _send(self, kind: int, body: bytes) -> None:
        self._unsent += frames.frame(kind, body)
        self._write()

    def _write(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: self._ends.line.send(self._unsent[: 1 << 18])]
        except BlockingIOError:
            return
        except OSError:
            self._unsent.clear()  # the child is gone; its end is on the way

    def _reply(self, reply: dict[str, Any]) -> None:
        self._send(frames.REPLY, values.encode(reply, "reply"))

    # -- from the child ------------------------------------------------------------------------------------------

    def _exchange(self, events: int) -> None:
        if events & select.POLLOUT:
            self._write()
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            try:
                part = self._ends.line.recv(1 << 18)
            except BlockingIOError:
                return
            except OSError:
                part = b""
            if not part:
                self._poll.unregister(self._ends.line)
                self._await_end()
                return
            self._received += part
            self._take_frames()

    def _await_end(self) -> None:
        """The child closed its socket: it has ended, or soon has."""
        self._ends.report.settimeout(1.0)
        try:
            self._read_usage()
        except TimeoutError:
            raise _Garbage("it closed its line to the host") from None

    def _take_frames(self) -> None:
        while len(self._received) >= frames.HEADER.size and not self._over:
            kind, length = frames.HEADER.unpack_from(self._received)
            if length > self._allowed(kind):
                return self._too_long(kind, length)
            end = frames.HEADER.size + length
            if len(self._received) < end:
                return None
            body = bytes(self._received[frames.HEADER.size : end])
            del self._received[:end]
            self._take(kind, body)
        return None

    def _allowed(self, kind: int) -> int:
        sizes = {
            frames.READY: 0,
            frames.CALL: frames.CALL_BYTES,
            frames.ERROR: frames.ERROR_BYTES,
            frames.RESULT: self._job.limits.output_bytes,
        }
        if kind not in sizes or (kind == frames.READY) == self._confined:
            raise _Garbage("it sent a frame that has no place there")
        return sizes[kind]

    def _too_long(self, kind: int, length: int) -> None:
        if kind != frames.RESULT:
            raise _Garbage(f"it announced {length} bytes")
        limit = self._job.limits.output_bytes
        self._fail("output_too_large", f"the output has {length} bytes as JSON, the limit is {limit}")

    def _take(self, kind: int, body: bytes) -> None:
        if kind == frames.READY:
            self._confined = True
        elif kind == frames.RESULT:
            self._take_output(body)
        elif kind == frames.ERROR:
            self._error = _error_from(body)
        else:
            self._take_call(_parse(body))

    def _take_output(self, body: bytes) -> None:
        try:
            self._output, self._has_output = border.read_output(body, self._job.limits), True
        except border.Unfit as error:
            self._error = border.failure(error)
        except ValueError as error:
            raise _Garbage(f"it sent broken JSON ({error})") from None

    def _take_call(self, call: Any) -> None:
        if not isinstance(call, dict) or call.get("id") != self._last_call + 1:
            raise _Garbage("its host calls are not numbered")
        name, arguments = call.get("name"), call.get("arguments")
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise _Garbage("a host call has the wrong shape")
        self._last_call += 1
        if self._last_call > self._job.limits.host_calls:
            return self._fail("host_call_limit", f"more than {self._job.limits.host_calls} host calls")
        answer = self._calls.make(HostCall(self._last_call, name, arguments), waits=call.get("waits") is True)
        if not isinstance(answer, UnderWay):
            self._reply(answer)
        return None

    # -- output and end ------------------------------------------------------------------------------------------

    def _read_output(self) -> None:
        limit = self._job.limits.stdout_bytes
        with suppress(BlockingIOError):
            while part := os.read(self._ends.output, 1 << 16):
                self._stdout += part
                if len(self._stdout) > limit:
                    del self._stdout[limit:]
                    # Printing too much outweighs a result that came with it.
                    self._error = SandboxError("stdout_too_large", f"the code printed more than {limit} bytes")
                    self._output = None
                    return
            with suppress(KeyError):
                self._poll.unregister(self._ends.output)

    def _read_usage(self) -> None:
        data = self._ends.report.recv(frames.USAGE.size)
        if len(data) != frames.USAGE.size:
            return self._fail("sandbox_failed", "the sandbox lost the run's process")
        self._usage = frames.USAGE.unpack(data)
        return None

    def _finish(self) -> None:
        """Make sure that the child is dead, and take what it left behind."""
        report = self._ends.report
        if self._usage is None:
            with suppress(OSError):
                report.shutdown(1)  # SHUT_WR: the request to kill
                report.settimeout(_END_SECONDS)
                self._read_usage()
        elif not self._has_output and self._error is None:
            self._drain_socket()
        self._read_output()
        if self._error is None and not self._has_output:
            self._error = self._death()

    def _drain_socket(self) -> None:
        """The end may overtake the last frames."""
        try:
            while not (self._has_output or self._error) and (part := self._ends.line.recv(1 << 18)):
                self._received += part
                self._take_frames()
        except OSError:
            return

    def _death(self) -> SandboxError:
        """Name the end of a child that sent no result."""
        if self._usage is None:
            return SandboxError("sandbox_failed", "the sandbox lost the run's process")
        status, user, system, _peak = self._usage
        killer = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        cpu_limit = self._job.limits.cpu_seconds
        if killer in (signal.SIGXCPU, signal.SIGPROF) or (killer == signal.SIGKILL and user + system >= cpu_limit):
            return SandboxError("cpu_limit", f"the code used more than {cpu_limit:g} s of CPU")
        if not self._confined:
            return SandboxError("sandbox_failed", "the run's process could not be confined, so no code ran")
        if killer == signal.SIGKILL or (not killer and os.WEXITSTATUS(status) == OUT_OF_MEMORY):
            return SandboxError("memory_limit", f"more than {self._job.limits.memory_bytes} bytes of memory")
        how = f"killed by {signal.Signals(killer).name}" if killer else f"exit status {os.WEXITSTATUS(status)}"
        return SandboxError("code_exited", f"the code ended without a result: {how}")

    def outcome(self, started: float) -> Outcome:
        """What the run came to; `started` is the monotonic time at which it began."""
        _status, user, system, peak = self._usage or (0, 0.0, 0.0, 0)
        return Outcome(
            output=self._output if self._error is None else None,
            error=self._error,
            stdout=self._stdout.decode(errors="replace"),
            cpu_seconds=user + system,
            wall_seconds=time.monotonic() - started,
            peak_memory_bytes=peak << 10,
            runtime="cpython",
        )


def execute(keeper: ZygoteKeeper, job: Job, host: Host, cancelled: Callable[[], bool]) -> Outcome:
    """Run a job in a child of the process's zygote. Raises what the host raises beyond HostCallError."""
    started = time.monotonic()
    if problem := too_large(job.code):
        refusal = SandboxError("code_too_large", problem.message)
        return Outcome(None, refusal, "", 0.0, 0.0, 0, "cpython")
    try:
        ends = keeper.start(job.limits)
    except ZygoteFailed as error:
        failure = SandboxError("sandbox_failed", f"the sandbox could not start: {error}")
        return Outcome(None, failure, "", 0.0, time.monotonic() - started, 0, "cpython")
    try:
        talk = Talk(job, ends, host, cancelled)
        talk.run()
        return talk.outcome(started)
    finally:
        ends.close()

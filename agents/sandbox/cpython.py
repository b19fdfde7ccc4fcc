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
from typing import Any

from . import border, claims
from .child_line import ChildLine
from .claims import Garbage
from .course import Course
from .hosting import HostCalls, Reply, UnderWay
from .inputs import Answer, Way
from .inside import frames, values
from .inside.child import OUT_OF_MEMORY
from .source import too_large
from .spawn import Ends, ZygoteFailed, ZygoteKeeper
from .specs import ErrorCode, Host, Job, Later, NonDeterminism, Outcome, SandboxError

_TICK_SECONDS = 0.2
_END_SECONDS = 10.0
# Ends that the code came to by itself, so that another attempt comes to them too.
_OWN_ENDS = frozenset(
    {"syntax_error", "no_handler", "code_error", "not_json", "not_finite", "output_too_large", "code_exited"}
)


class Talk:
    """The conversation with one child until it ends, one way or another."""

    def __init__(self, job: Job, ends: Ends, host: Host, cancelled: Callable[[], bool]) -> None:
        self._job, self._ends, self._cancelled = job, ends, cancelled
        self._course = Course(job)
        self._calls = HostCalls(host, job.tools, self._course)
        self._deadline = time.monotonic() + job.limits.wall_seconds
        self._line = ChildLine(ends.line)
        self._stdout = bytearray()
        self._confined = False
        self._last_call = 0
        self._ways: dict[int, Way] = {}  # of the calls not answered yet
        self._idle = self._suspended = False
        self._usage: tuple[int, float, float, int] | None = None
        self._output: Any = None
        self._has_output = False
        self._error: SandboxError | None = None
        self._poll = select.poll()

    # -- the loop ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Talk until the end. Raises what the host raises beyond HostCallError and NonDeterminism."""
        ends = self._ends
        os.set_blocking(ends.output, False)
        self._poll.register(ends.output, select.POLLIN)
        self._poll.register(ends.report, select.POLLIN)
        self._poll.register(self._calls.wake, select.POLLIN)
        try:
            self._line.send(frames.JOB, self._job_body())
            while not self._over:
                self._step()
            self._end()
        except Garbage as error:
            self._fail("code_exited", f"the code ended without a result: {error}")
            self._finish()
        except NonDeterminism as error:
            self._error = SandboxError("non_determinism", str(error))
            self._finish()
        finally:
            self._calls.close()
        self._compare_end()

    def _end(self) -> None:
        if not (self._has_output or self._error or self._suspended):
            self._drain_socket()
        waits = self._ended_itself
        if not waits:
            self._calls.abandon()
        self._finish()
        if waits and self._ended_itself:
            self._calls.finish(self._deadline, self._cancelled)

    def _compare_end(self) -> None:
        """An end that the code came to by itself must not come earlier than in an earlier attempt."""
        if self._ended_itself:
            try:
                self._course.check_end()
            except NonDeterminism as error:
                how = f" ({self._error.message})" if self._error is not None else ""
                self._error = SandboxError("non_determinism", f"{error}{how}")

    @property
    def _ended_itself(self) -> bool:
        return self._error.code in _OWN_ENDS if self._error is not None else self._has_output

    @property
    def _over(self) -> bool:
        return self._has_output or self._error is not None or self._usage is not None or self._suspended

    def _step(self) -> None:
        if self._cancelled():
            return self._fail("cancelled", "the run was cancelled")
        left = self._deadline - time.monotonic()
        if left <= 0:
            return self._fail("time_limit", f"the run took longer than {self._job.limits.wall_seconds:g} s")
        self._poll.register(self._ends.line, self._line.wanted_events(full=self._calls.full))
        ready = dict(self._poll.poll(self._course.tick_seconds(min(left, _TICK_SECONDS)) * 1000 + 1))
        # The output first: it was written before the result that would end the loop.
        if self._ends.output in ready:
            self._read_output()
        if self._ends.line.fileno() in ready:
            self._exchange(ready[self._ends.line.fileno()])
        if self._calls.wake in ready:
            for number, reply in self._calls.replies():
                self._take_reply(number, reply)
        if self._idle and not self._over:
            self._give_input()
        if self._ends.report.fileno() in ready and not self._over:
            self._read_usage()
        return None

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
                "last_call": self._course.last_call,
                "last_step": self._course.last_step,
            },
            "job",
        )

    def _take_reply(self, number: int, reply: Reply | Later) -> None:
        """What the host answered: for the code at once where it waits for it, else once it is idle."""
        if self._ways[number] == "async":
            if isinstance(reply, Later):
                self._course.postpone(number)
            else:
                self._course.answer(number, reply)
        elif isinstance(reply, Later):
            self._suspended = True
        else:
            self._send_reply(number, reply, self._course.give_here(number))

    def _send_reply(self, number: int, reply: Reply, clock: float | None) -> None:
        del self._ways[number]
        self._line.send(frames.REPLY, values.encode({**reply, "clock": clock}, "reply"))

    def _give_input(self) -> None:
        given = self._course.next_input()
        if given is None:
            self._suspended = self._course.stuck
            return
        self._idle = False
        if isinstance(given, Answer):
            self._send_reply(given.number, given.reply, given.clock)
        else:
            self._line.send(frames.TICK, b"null")

    # -- from the child ------------------------------------------------------------------------------------------

    def _exchange(self, events: int) -> None:
        if events & select.POLLOUT:
            self._line.write()
        if events & (select.POLLIN | select.POLLHUP | select.POLLERR):
            with suppress(BlockingIOError):
                if not self._line.read():
                    self._poll.unregister(self._ends.line)
                    return self._await_end()
            self._take_frames()
        return None

    def _await_end(self) -> None:
        """The child closed its socket: it has ended, or soon has."""
        self._ends.report.settimeout(1.0)
        try:
            self._read_usage()
        except TimeoutError:
            raise Garbage("it closed its line to the host") from None

    def _take_frames(self) -> None:
        for kind, body in self._line.take(self._may_come):
            self._take(kind, body)
            if self._has_output or self._error is not None or self._suspended:
                return

    def _may_come(self, kind: int, length: int) -> bool:
        if length <= self._allowed(kind):
            return True
        if kind != frames.RESULT:
            raise Garbage(f"it announced {length} bytes")
        limit = self._job.limits.output_bytes
        self._fail("output_too_large", f"the output has {length} bytes as JSON, the limit is {limit}")
        return False

    def _allowed(self, kind: int) -> int:
        sizes = {
            frames.READY: 0,
            frames.CALL: frames.CALL_BYTES,
            frames.IDLE: frames.IDLE_BYTES,
            frames.ERROR: frames.ERROR_BYTES,
            frames.RESULT: self._job.limits.output_bytes,
        }
        if kind not in sizes or (kind == frames.READY) == self._confined or self._idle:
            raise Garbage("it sent a frame that has no place there")
        return sizes[kind]

    def _take(self, kind: int, body: bytes) -> None:
        if kind == frames.READY:
            self._confined = True
        elif kind == frames.RESULT:
            self._take_output(body)
        elif kind == frames.ERROR:
            self._error = claims.error_from(body)
        elif kind == frames.IDLE:
            self._take_idleness(body)
        else:
            self._take_call(body)

    def _take_output(self, body: bytes) -> None:
        try:
            self._output, self._has_output = border.read_output(body, self._job.limits), True
        except border.Unfit as error:
            self._error = border.failure(error)
        except ValueError as error:
            raise Garbage(f"it sent broken JSON ({error})") from None

    def _take_call(self, body: bytes) -> None:
        self._last_call += 1
        call = claims.call_from(body, self._last_call)
        if self._last_call > self._job.limits.host_calls:
            return self._fail("host_call_limit", f"more than {self._job.limits.host_calls} host calls")
        if not self._calls.knows(call.name):
            raise Garbage("it called what it has not been given")
        if call.way == "sync" and self._ways:
            raise Garbage("it called while it waited")
        self._ways[self._last_call] = call.way
        answer = self._calls.make(self._last_call, call.name, call.arguments, call.way)
        if not isinstance(answer, UnderWay):
            self._take_reply(self._last_call, answer)
        return None

    def _take_idleness(self, body: bytes) -> None:
        if "async" not in self._ways.values():
            raise Garbage("it waits for no call")
        self._course.wait(*claims.idle_from(body))
        self._idle = True
        self._give_input()

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
        self._read_output()
        if self._error is not None or self._has_output:
            self._suspended = False
        elif not self._suspended:
            self._error = self._death()

    def _drain_socket(self) -> None:
        """The end may overtake the last frames."""
        with suppress(BlockingIOError):
            while not (self._has_output or self._error) and self._line.read():
                self._take_frames()

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
            suspended=self._suspended,
            steps=self._course.given,
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

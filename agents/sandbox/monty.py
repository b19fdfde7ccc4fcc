"""A run in the monty runtime: pydantic-monty's worker process, inside bubblewrap where that works."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pydantic_monty as pm

from . import border, monty_checkpoint, monty_source
from .course import Course
from .hosting import HostCalls
from .inside import reports
from .monty_checkpoint import Checkpoint
from .monty_feed import Ended, Feed, Suspended
from .monty_workers import MontyWorkers, Worker
from .source import EntryPoint, entry_point
from .specs import ErrorCode, Host, Job, NonDeterminism, Outcome, Problem, SandboxError
from .watchdog import Watch, Watchdog

# After these a worker may serve another run.
_HARMLESS = frozenset({"code_error", "not_json", "not_finite", "output_too_large"})
_OUTSIDE_SUBSET = "The monty syntax parser does not yet support"


def _ending(code: ErrorCode, job: Job) -> SandboxError:
    """The error of a run that was ended from outside."""
    messages: dict[str, str] = {
        "cancelled": "the run was cancelled",
        "time_limit": f"the run took longer than {job.limits.wall_seconds:g} s",
        "cpu_limit": f"the code used more than {job.limits.cpu_seconds:g} s of CPU",
    }
    return SandboxError(code, messages[code])


def _failure(error: pm.MontyError, job: Job) -> SandboxError:
    """Name what the interpreter raised; only the agent's own lines are shown."""
    if isinstance(error, pm.MontySyntaxError):
        return SandboxError("syntax_error", str(error))
    if not isinstance(error, pm.MontyRuntimeError):
        return SandboxError("code_exited", f"the interpreter ended without a result: {error}")
    message = reports.shortened(error.display("type-msg"))
    code: ErrorCode = "code_error"
    if message.startswith("TimeoutError: feed time limit exceeded"):
        return _ending("time_limit", job)
    if message.startswith("MemoryError"):
        code = "memory_limit"
    elif _OUTSIDE_SUBSET in message:
        code = "runtime_unavailable"
    lines = job.code.count("\n") + 1
    own = [(frame.line, frame.function_name or "<module>") for frame in error.traceback() if frame.line <= lines]
    return SandboxError(code, message, reports.trace_of(own, message, job.code), own[-1][0] if own else None)


def _result(value: Any, job: Job) -> tuple[Any, SandboxError | None]:
    """The output from what monty_source's last expression gave; it passed through hostile hands."""
    if not (isinstance(value, tuple) and len(value) == 2 and all(isinstance(part, str) for part in value)):
        return None, SandboxError("code_exited", "the code ended without a result: it replaced the result's encoder")
    code, text = value
    if not code:
        try:
            return border.read_output(text.encode(errors="surrogatepass"), job.limits), None
        except border.Unfit as error:
            return None, border.failure(error)
        except ValueError as error:
            code, text = "not_json", f"output: {error}"
    known: ErrorCode = "not_finite" if code == "not_finite" else "not_json"
    known = "output_too_large" if code == "output_too_large" else known
    return None, SandboxError(known, reports.shortened(text))


@dataclass(slots=True)
class _End:
    """How the code ended: with an output, an error, or neither if it is suspended."""

    output: Any = None
    error: SandboxError | None = None
    suspended: bool = False
    checkpoint: bytes | None = None

    @property
    def ended_itself(self) -> bool:
        """Whether the code came to this end by itself, so that another attempt comes to it too."""
        return not self.suspended and (self.error is None or self.error.code in _HARMLESS)

    @property
    def reusable(self) -> bool:
        """Whether the worker may serve another run."""
        return self.ended_itself


class _Unloadable(Exception):
    """A checkpoint that monty does not take."""


class _Try:
    """One try at a run, in a worker of its own."""

    def __init__(self, job: Job, entry: EntryPoint, worker: Worker, watch: Watch, kept: Checkpoint | None) -> None:
        self.job, self.entry, self.worker, self.watch, self.kept = job, entry, worker, watch, kept
        self.course = Course(job)
        if kept is not None:
            self.course = Course(job, given=kept.given, made=kept.made, clock=kept.elapsed / 1e9)
        self.printed = ""

    def run(self, host: Host) -> _End:
        """Run to the end. Raises _Unloadable, and what the host raises beyond HostCallError and NonDeterminism."""
        calls = HostCalls(host, self.job.tools, self.course)
        feed = Feed(self.job, self.entry, calls, self.course, self.watch)
        try:
            end = self._ended(feed, self._drive(feed))
            if end.ended_itself:
                self._await_calls(calls)
        except NonDeterminism as error:
            return _End(error=SandboxError("non_determinism", str(error)))
        finally:
            calls.close()
        return self._compared(end)

    def _ended(self, feed: Feed, end: _End) -> _End:
        """How the code ended in truth. Raises what the host raised."""
        self.printed = feed.printed.decode(errors="replace")
        if feed.host_error is not None:
            raise feed.host_error
        if feed.breach is not None:
            return _End(error=feed.breach)
        return _End(error=_ending(self.watch.ended_by, self.job)) if self.watch.ended_by else end

    def _await_calls(self, calls: HostCalls) -> None:
        self.watch.end()  # the worker has done its part
        calls.finish(self.watch.deadline, self.watch.cancelled)

    def _begin(self, feed: Feed) -> Any:
        if self.kept is None:
            return feed.start(self.worker.session)
        try:
            step = feed.load(self.worker.session, self.kept)
        except (pm.MontyError, RuntimeError) as error:
            raise _Unloadable from error
        # Of an idle run's calls monty still knows the numbers; a sync run waits for the very call.
        waits_for = set(step.pending_call_ids) if isinstance(step, pm.FutureSnapshot) else {step.call_id}
        if not waits_for or self.entry.is_async != isinstance(step, pm.FutureSnapshot):
            raise _Unloadable
        return feed.ask_again(step)

    def _drive(self, feed: Feed) -> _End:
        try:
            return _End(*_result(feed.drive(self._begin(feed)), self.job))
        except Suspended as pause:
            return _End(suspended=True, checkpoint=pause.checkpoint)
        except Ended:
            return _End()
        except pm.MontyError as error:
            return _End(error=_failure(error, self.job))
        except (ValueError, RecursionError, OverflowError) as error:
            # The client could not make a Python value of what came, such as an integer of more than 4300 digits.
            return _End(error=SandboxError("not_json", f"output: {reports.shortened(str(error))}"))

    def _compared(self, end: _End) -> _End:
        """An end that the code came to by itself must not come earlier than in an earlier attempt."""
        if not end.ended_itself:
            return end
        try:
            self.course.check_end()
        except NonDeterminism as error:
            how = f" ({end.error.message})" if end.error is not None else ""
            return _End(error=SandboxError("non_determinism", f"{error}{how}"))
        return end


def execute(workers: MontyWorkers, watchdog: Watchdog, job: Job, host: Host, cancelled: Callable[[], bool]) -> Outcome:
    """Run a job in a worker of its own. Raises what the host raises beyond HostCallError and NonDeterminism."""
    started = time.monotonic()

    def ended(error: SandboxError) -> Outcome:
        return Outcome(None, error, "", 0.0, time.monotonic() - started, 0, "monty")

    try:
        entry = entry_point(job.code)
    except SyntaxError as error:
        report = reports.syntax_error(error)
        return ended(SandboxError("syntax_error", report["message"], report["traceback"], report["line"]))
    except (ValueError, RecursionError, MemoryError) as error:
        return ended(SandboxError("syntax_error", str(error)))
    if isinstance(entry, Problem):
        return ended(SandboxError(cast(ErrorCode, entry.code), entry.message, line=entry.line))
    kept = None
    if job.checkpoint is not None:
        kept = monty_checkpoint.unpacked(job.checkpoint, monty_source.whole_source(job, entry))
    deadline = started + job.limits.wall_seconds
    for checkpoint in (kept, None) if kept is not None else (None,):
        try:
            worker = workers.start(job)
        except (OSError, pm.MontyError, TimeoutError) as error:
            return ended(SandboxError("sandbox_failed", f"the sandbox could not start: {error}"))
        watch = Watch(worker.pidfd, deadline, cancelled, worker.usage.update, job.limits.cpu_seconds)
        watchdog.add(watch)
        attempt = _Try(job, entry, worker, watch, checkpoint)
        end = _End(error=SandboxError("sandbox_failed", "the checkpoint was not taken"))
        try:
            end = attempt.run(host)
            break
        except _Unloadable:
            continue
        finally:
            watch.end()
            worker.usage.update()
            worker.close(reusable=end.reusable)
    return Outcome(
        output=end.output,
        error=end.error,
        stdout=attempt.printed,
        cpu_seconds=worker.usage.cpu_seconds,
        wall_seconds=time.monotonic() - started,
        peak_memory_bytes=worker.usage.peak_bytes,
        runtime="monty",
        suspended=end.suspended,
        checkpoint=end.checkpoint,
        steps=attempt.course.given,
    )

"""A run in the monty runtime: pydantic-monty's worker process, inside bubblewrap where that works."""

import select
import time
from collections.abc import Callable
from typing import Any, TypeVar, cast

import pydantic_monty as pm

from . import border, monty_source
from .hosting import HostCalls, UnderWay
from .inside import frames, reports, values
from .monty_clock import MontyClock
from .monty_workers import MontyWorkers
from .source import EntryPoint, entry_point
from .specs import ErrorCode, Host, HostCall, HostCallError, Job, Outcome, Problem, SandboxError
from .watchdog import Watch, Watchdog

T = TypeVar("T")

_TICK_SECONDS = 0.2
# After these a worker may serve another run.
_HARMLESS = frozenset({"code_error", "not_json", "not_finite", "output_too_large"})
_OUTSIDE_SUBSET = "The monty syntax parser does not yet support"
_CALLS = {"log": ("message",), "call_llm": ("prompt",), "call_agent": ("name", "input")}


class _TooMuchPrinted(Exception):
    """Ends the feed from inside its print callback."""


def _arguments(name: str, positional: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """A call's arguments by name, as the cpython runtime sends them; raises TypeError."""
    places = _CALLS[name]
    if len(positional) > len(places):
        raise TypeError(f"{name}() takes {len(places)} positional arguments but {len(positional)} were given")
    bound = dict(zip(places, positional, strict=False))
    if name == "log":
        message = bound.get("message", named.pop("message", ""))
        return {"message": str(message), "fields": named}
    if name == "call_agent":
        return {"name": None, "input": None, **bound, **named}
    return {**{key: value for key, value in bound.items() if value is not None}, **named}


class _Ended(Exception):
    """The run is over for a reason noted elsewhere: a breach, or the watchdog while only the host was at work."""


class _Feed:
    """One run: drives the interpreter from suspension to suspension."""

    def __init__(self, job: Job, entry: EntryPoint, calls: HostCalls, watch: Watch) -> None:
        self._job, self._entry, self._calls, self._watch = job, entry, calls, watch
        self._clock = MontyClock(job.now, lambda: watch.ended_by is not None)
        self._ids: dict[int, int] = {}  # of ours to monty's
        self._made = 0
        self.printed = bytearray()
        self.breach: SandboxError | None = None
        self.host_error: BaseException | None = None

    def run(self, session: pm.MontySession) -> Any:
        """Run the code to its end; the final value. Raises monty's errors, and the host's own."""
        step: Any = session.feed_start(
            monty_source.whole_source(self._job, self._entry),
            inputs={"event": self._job.event, "__name__": "agent"},
            print_callback=self._print,
        )
        while not isinstance(step, pm.MontyComplete):
            step = self._advance(step)
        return step.output

    def _print(self, _stream: str, text: str) -> None:
        self.printed += text.encode(errors="backslashreplace")
        limit = self._job.limits.stdout_bytes
        if len(self.printed) > limit:
            del self.printed[limit:]
            self.breach = SandboxError("stdout_too_large", f"the code printed more than {limit} bytes")
            raise _TooMuchPrinted

    def _advance(self, step: Any) -> Any:
        if isinstance(step, pm.NameLookupSnapshot):
            known = step.variable_name in _CALLS and step.object_id is None
            return step.resume(value=_named(step.variable_name)) if known else step.resume()
        if isinstance(step, pm.FutureSnapshot):
            return step.resume(self._settled())
        if step.is_os_function:
            answer = self._clock.answer(step)
            return step.resume_not_handled() if answer is None else step.resume(answer)
        if step.function_name in _CALLS or step.function_name == monty_source.TOOL_CALL:
            return self._host_call(step)
        missing = f"name '{step.function_name}' is not defined"
        return step.resume({"exc_type": "NameError", "message": missing})

    # -- host calls ----------------------------------------------------------------------------------------------

    def _host_call(self, step: Any) -> Any:
        try:
            name, arguments = _call_of(step)
        except HostCallError as error:
            return step.resume({"exc_type": "RuntimeError", "message": str(error)})
        except (TypeError, ValueError) as error:
            return step.resume({"exc_type": "TypeError", "message": border.text(reports.shortened(str(error)))})
        self._made += 1
        limit = self._job.limits.host_calls
        if self._made > limit:
            self.breach = SandboxError("host_call_limit", f"more than {limit} host calls")
            raise _Ended
        call = HostCall(self._made, name, arguments)
        answer = self._ask(lambda: self._calls.make(call, waits=not self._entry.is_async))
        if not isinstance(answer, UnderWay):
            return step.resume(_settlement(answer))
        self._ids[self._made] = step.call_id
        if self._entry.is_async:
            return step.resume({"future": ...})
        (settlement,) = self._settled().values()
        return step.resume(settlement)

    def _ask(self, host: Callable[[], T]) -> T:
        """Keep what the host raises apart from what the interpreter's client raises."""
        try:
            return host()
        except BaseException as error:
            self.host_error = error
            raise _Ended from error

    def _settled(self) -> dict[int, Any]:
        """Wait for calls and sleeps under way; at least one. Raises _Ended if the watchdog struck meanwhile."""
        poll = select.poll()
        poll.register(self._calls.wake, select.POLLIN)
        settled: dict[int, Any] = {}
        while not settled:
            if self._watch.ended_by:
                raise _Ended
            if poll.poll(self._clock.next_end(_TICK_SECONDS) * 1000 + 1):
                replies = self._ask(self._calls.replies)
                settled = {self._ids.pop(reply["id"]): _settlement(reply) for reply in replies}
            settled |= self._clock.ended()
        return settled


def _call_of(step: Any) -> tuple[str, dict[str, Any]]:
    """A call's name and arguments as the host is to see them; raises HostCallError, TypeError, ValueError."""
    name = step.function_name
    if name == monty_source.TOOL_CALL:
        name = "tool"
    if values.exceeds([step.args, step.kwargs], frames.CALL_BYTES):
        raise _too_large(name)
    if name == "tool":
        tool, arguments = step.args
        name = f"tool:{tool}"
    else:
        arguments = _arguments(name, step.args, dict(step.kwargs))
    body = values.encode(arguments, name)
    if len(body) > frames.CALL_BYTES:
        raise _too_large(name)
    # Through JSON and back: the host sees the types that the other runtime would send.
    return name, values.parse(values.without_nul(body))


def _too_large(name: str) -> HostCallError:
    return HostCallError("too_large", f"{name[:100]}: the arguments exceed {frames.CALL_BYTES} bytes as JSON")


def _named(name: str) -> Callable[..., None]:
    """A stand-in that monty turns into an external function of that name; never called."""

    def function() -> None:
        return None

    function.__name__ = function.__qualname__ = name
    return function


def _settlement(reply: dict[str, Any]) -> Any:
    error = reply.get("error")
    if error is None:
        return {"return_value": reply["value"]}
    return {"exc_type": "RuntimeError", "message": f"{error['code']}: {error['message']}"}


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


def _drive(feed: _Feed, session: pm.MontySession, watch: Watch, job: Job) -> tuple[Any, SandboxError | None]:
    try:
        output, error = _result(feed.run(session), job)
    except (pm.MontyError, _Ended) as caught:
        output, error = None, _failure(caught, job) if isinstance(caught, pm.MontyError) else None
    except (ValueError, RecursionError, OverflowError) as caught:
        # The client could not make a Python value of what came, such as an integer of more than 4300 digits.
        output, error = None, SandboxError("not_json", f"output: {reports.shortened(str(caught))}")
    if feed.host_error is not None:
        raise feed.host_error
    if watch.ended_by:
        return None, _ending(watch.ended_by, job)
    return (output, error) if feed.breach is None else (None, feed.breach)


def execute(workers: MontyWorkers, watchdog: Watchdog, job: Job, host: Host, cancelled: Callable[[], bool]) -> Outcome:
    """Run a job in a worker of its own. Raises what the host raises beyond HostCallError."""
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
    try:
        worker = workers.start(job)
    except (OSError, pm.MontyError, TimeoutError) as error:
        return ended(SandboxError("sandbox_failed", f"the sandbox could not start: {error}"))
    deadline = started + job.limits.wall_seconds
    watch = Watch(worker.pidfd, deadline, cancelled, worker.usage.update, job.limits.cpu_seconds)
    calls = HostCalls(host, job.tools)
    feed = _Feed(job, entry, calls, watch)
    watchdog.add(watch)
    reusable = False
    try:
        output, error_found = _drive(feed, worker.session, watch, job)
        reusable = error_found is None or error_found.code in _HARMLESS
    finally:
        watch.end()
        worker.usage.update()
        calls.close()
        worker.close(reusable=reusable)
    return Outcome(
        output=output,
        error=error_found,
        stdout=feed.printed.decode(errors="replace"),
        cpu_seconds=worker.usage.cpu_seconds,
        wall_seconds=time.monotonic() - started,
        peak_memory_bytes=worker.usage.peak_bytes,
        runtime="monty",
    )

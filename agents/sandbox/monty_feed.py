"""One run in monty: drives the interpreter from suspension to suspension, and answers each."""

import select
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import pydantic_monty as pm

from . import border, monty_source
from .course import Course
from .hosting import HostCalls, Reply, UnderWay
from .inputs import Answer, Way
from .inside import reports
from .monty_calls import CALLS, call_of
from .monty_checkpoint import Checkpoint, Outstanding
from .monty_clock import MontyClock
from .source import EntryPoint
from .specs import HostCallError, Job, Later, NonDeterminism, SandboxError
from .watchdog import Watch

T = TypeVar("T")

_TICK_SECONDS = 0.2


class _TooMuchPrinted(Exception):
    """Ends the feed from inside its print callback."""


class Ended(Exception):
    """The run is over for a reason noted elsewhere: a breach, or the watchdog while only the host was at work."""


class Suspended(Exception):
    """The run waits for answers that are to come in another life of it; `checkpoint` is None if it cannot be kept."""

    def __init__(self, checkpoint: bytes | None) -> None:
        super().__init__()
        self.checkpoint = checkpoint


class Feed:
    """One run, from its start or from a checkpoint."""

    def __init__(self, job: Job, entry: EntryPoint, calls: HostCalls, course: Course, watch: Watch) -> None:
        self._job, self._entry, self._calls, self._watch = job, entry, calls, watch
        self._course = course
        self._clock = MontyClock(job.now, job.seed, lambda: watch.ended_by is not None, lambda: course.replaying)
        self._outstanding: dict[int, Outstanding] = {}
        self._logged: dict[int, Any] = {}  # monty's numbers of the calls of `log` that async code may await
        self.printed = bytearray()
        self.breach: SandboxError | None = None
        self.host_error: BaseException | None = None

    def start(self, session: pm.MontySession) -> Any:
        """Begin with the code; the first suspension. Raises monty's errors."""
        return session.feed_start(
            monty_source.whole_source(self._job, self._entry),
            inputs={"event": self._job.event, "__name__": "agent"},
            print_callback=self._print,
        )

    def load(self, session: pm.MontySession, kept: Checkpoint) -> Any:
        """Go on from a checkpoint; the suspension it was made at. Raises monty's errors."""
        self.printed += kept.printed.encode()
        self._clock.elapsed, self._clock.drawn = kept.elapsed, kept.drawn
        self._outstanding = {call.id: call for call in kept.outstanding}
        return session.load_snapshot(kept.snapshot, print_callback=self._print)

    def ask_again(self, step: Any) -> Any:
        """Make the calls again that a checkpoint waits for; the next suspension."""
        for call in list(self._outstanding.values()):
            answer = self._ask(partial(self._calls.make_again, call.as_host_call(), self._way_of(call.name)))
            if not self._entry.is_async:
                step = self._answer_here(step, call.id, answer)
        return step

    def drive(self, step: Any) -> Any:
        """Go on to the code's end; the final value. Raises monty's errors, Ended and Suspended."""
        while not isinstance(step, pm.MontyComplete):
            step = self._advance(step)
        return step.output

    def _print(self, _stream: str, text: str) -> None:
        self.printed += text.encode(errors="backslashreplace")
        limit = self._job.limits.stdout_bytes
        if len(self.printed) > limit:
            del self.printed[limit:]
            self.breach = SandboxError("stdout_too_large", f"the code printed more than {limit} bytes")
            # The client hears of the exception once the code makes its next step, which may be never.
            self._watch.strike()
            raise _TooMuchPrinted

    def _advance(self, step: Any) -> Any:
        if isinstance(step, pm.NameLookupSnapshot):
            known = step.variable_name in CALLS and step.object_id is None
            return step.resume(value=_named(step.variable_name)) if known else step.resume()
        if isinstance(step, pm.FutureSnapshot):
            return self._be_idle(step)
        if step.is_os_function:
            answer = self._clock.answer(step)
            return step.resume_not_handled() if answer is None else step.resume(answer)
        if step.function_name in CALLS or step.function_name == monty_source.TOOL_CALL:
            return self._host_call(step)
        missing = f"name '{step.function_name}' is not defined"
        return step.resume({"exc_type": "NameError", "message": missing})

    # -- host calls ----------------------------------------------------------------------------------------------

    def _host_call(self, step: Any) -> Any:
        try:
            name, arguments = call_of(step)
            if not self._calls.knows(name):
                raise HostCallError("unknown_tool", f"this agent has no {name[:100]}")
        except HostCallError as error:
            return step.resume({"exc_type": "RuntimeError", "message": str(error)})
        except (TypeError, ValueError) as error:
            return step.resume({"exc_type": "TypeError", "message": border.text(reports.shortened(str(error)))})
        number = self._course.made + 1
        limit = self._job.limits.host_calls
        if number > limit:
            self.breach = SandboxError("host_call_limit", f"more than {limit} host calls")
            raise Ended
        way = self._way_of(name)
        self._outstanding[number] = Outstanding(number, step.call_id, name, arguments, self._course.given)
        answer = self._ask(lambda: self._calls.make(number, name, arguments, way))
        return step.resume({"future": ...}) if way == "async" else self._answer_here(step, number, answer)

    def _way_of(self, name: str) -> Way:
        return "here" if name == "log" else "async" if self._entry.is_async else "sync"

    def _answer_here(self, step: Any, number: int, answer: Reply | Later | UnderWay) -> Any:
        """Wait for a call's answer where it was made; the next suspension."""
        while isinstance(answer, UnderWay):
            for arrived, reply in self._replies(_TICK_SECONDS):
                if arrived == number:
                    answer = reply
                else:
                    self._arrive(arrived, reply)
        if isinstance(answer, Later):
            raise Suspended(None if self._entry.is_async else self._keep(step))
        del self._outstanding[number]
        clock = self._ask(lambda: self._course.give_here(number))
        if clock is not None:
            self._clock.reach(clock)
        elif self._entry.is_async:
            self._logged[step.call_id] = _settlement(answer)
            return step.resume({"future": ...})
        return step.resume(_settlement(answer))

    def _ask(self, host: Callable[[], T]) -> T:
        """Keep what the host raises apart from what the interpreter's client raises."""
        try:
            return host()
        except NonDeterminism as error:
            self.breach = SandboxError("non_determinism", str(error))
            raise Ended from error
        except BaseException as error:
            self.host_error = error
            raise Ended from error

    def _replies(self, at_most: float) -> list[tuple[int, Reply | Later]]:
        """The host's answers, waiting at most so many seconds; raises Ended if the watchdog struck meanwhile."""
        if self._watch.ended_by:
            raise Ended
        poll = select.poll()
        poll.register(self._calls.wake, select.POLLIN)
        return self._ask(self._calls.replies) if poll.poll(at_most * 1000 + 1) else []

    def _arrive(self, number: int, reply: Reply | Later) -> None:
        if isinstance(reply, Later):
            self._course.postpone(number)
        else:
            self._ask(lambda: self._course.answer(number, reply))

    # -- idle async code -----------------------------------------------------------------------------------------

    def _be_idle(self, step: Any) -> Any:
        """Every task of the code waits: give it one input; the next suspension."""
        if self._logged:
            number = min(self._logged)
            return step.resume({number: self._logged.pop(number)})
        if not self._outstanding:
            return self._sleep_on(step)
        self._ask(lambda: self._course.wait(self._clock.seconds, self._clock.timer))
        while (given := self._ask(self._course.next_input)) is None:
            if self._course.stuck:
                raise Suspended(self._keep(step))
            for number, reply in self._replies(self._course.tick_seconds(_TICK_SECONDS)):
                self._arrive(number, reply)
        if isinstance(given, Answer):
            self._clock.reach(given.clock)
            call = self._outstanding.pop(given.number)
            return step.resume({call.monty_id: _settlement(given.reply)})
        return step.resume(self._clock.end_next())

    def _sleep_on(self, step: Any) -> Any:
        """No calls are out, so only a sleep can end; that is no input."""
        while self._clock.timer is None:
            self._replies(_TICK_SECONDS)  # nothing will ever come: until the watchdog strikes
        self._clock.sleep(self._clock.timer)
        if self._watch.ended_by:
            raise Ended
        return step.resume(self._clock.end_next())

    def _keep(self, step: Any) -> bytes | None:
        """The run as it stands, to go on from later; None if it is too large or monty cannot say it."""
        try:
            snapshot = step.dump()
        except pm.MontyError:
            return None
        outstanding = tuple(self._outstanding.values())
        course, clock = self._course, self._clock
        printed = self.printed.decode(errors="replace")
        kept = Checkpoint(course.given, course.made, clock.elapsed, clock.drawn, printed, outstanding, snapshot)
        return kept.packed(monty_source.whole_source(self._job, self._entry))


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

"""A run's course: the inputs that its code gets, in which order, and what its clock showed.

Between two inputs the code depends on nothing but itself. An input is an answer to a host call, or a tick: async code
that was idle, with calls out, got to its next timer. They are numbered 1, 2, 3...: steps. Only answers are recorded, by
the caller; what else an earlier attempt was given were ticks.

An earlier attempt surely got as many inputs as any of its calls was made after. Beyond these, a step that no record
names may also be a place whose answer was never stored: it is free again.
"""

import threading
import time
from typing import Any

from .inputs import Answer, Idle, Tick, Way
from .specs import Job, NonDeterminism, Place, Recorded


class Course:
    """The course of one run; `settle` may be called from any thread, the rest from the run's."""

    def __init__(self, job: Job, *, given: int = 0, made: int = 0, clock: float = 0.0) -> None:
        self._now = job.now
        self._lock = threading.Lock()
        self._recorded = {call.id: call for call in job.replay}
        self._unmade = sorted((call.id for call in job.replay if call.id > made), reverse=True)
        self._proven = max((call.made_after for call in job.replay), default=0)
        self._places = {call.id: call.place for call in job.replay if call.place is not None}
        # Ahead only: step -> the call whose answer is that input.
        self._ahead = {
            call.place.step: call.id for call in job.replay if call.place is not None and _is_input(call, given)
        }
        self.last_step = max([self._proven, *self._ahead])
        self.last_call = max(self._recorded, default=0)
        self._ways: dict[int, Way] = {}
        self._under_way: set[int] = set()
        self._answers: dict[int, dict[str, Any]] = {}
        self._idle: Idle | None = None
        self._clock = clock
        self.given, self.made = given, made

    @property
    def replaying(self) -> bool:
        """Whether recorded calls are still to be made, or recorded answers to be given."""
        return self.given < self.last_step or self.made < self.last_call

    # -- calls and their places ----------------------------------------------------------------------------------

    def make(self, number: int, name: str, way: Way) -> int:
        """Note a new call; the number of inputs it was made after. Raises NonDeterminism."""
        with self._lock:
            self.made = number
            before = self._recorded.get(number)
            if before is not None and before.made_after != self.given:
                raise NonDeterminism(
                    f"call {number} ({name[:100]}) was made after {before.made_after} inputs in an earlier attempt, "
                    f"and now after {self.given}"
                )
            while self._unmade and self._unmade[-1] <= number:
                self._unmade.pop()
            self._note(number, way)
            return self.given

    def remake(self, number: int, way: Way) -> None:
        """Note a call that was made before the checkpoint from which the run goes on."""
        with self._lock:
            self._note(number, way)

    def _note(self, number: int, way: Way) -> None:
        self._ways[number] = way
        if way != "here":
            self._under_way.add(number)

    def settle(self, number: int) -> Place:
        """The place of a call's answer, recorded or reserved now; the same one ever after. Raises NonDeterminism."""
        with self._lock:
            return self._settle(number)

    def _settle(self, number: int) -> Place:
        place = self._places.get(number)
        if place is None:
            place = self._places[number] = self._free_place(number)
        return place

    def _free_place(self, number: int) -> Place:
        way = self._ways.get(number, "async")
        if way == "here":
            return Place(self.given, self._clock)
        step = self.given + 1
        if way == "async":
            step = max(self.given, self._proven) + 1
            while step in self._ahead:
                step += 1
        elif step in self._ahead:
            raise NonDeterminism(
                f"input {step} was the answer to call {self._ahead[step]} in an earlier attempt, "
                f"and now is the answer to call {number}"
            )
        # The instant before the reservation: whether one is ahead already matters to it.
        self._clock = max(self._clock, self._moment(way))
        self._ahead[step] = number
        return Place(step, self._clock)

    def _moment(self, way: Way) -> float:
        """Where the run's clock may go now.

        It follows the wall clock where that can fire no timer that the code set a moment ago: when the run waited for
        a worker or for a day, its wall clock has run far ahead of what its code has seen.
        """
        wall = time.time() - self._now
        if way == "sync" or self.replaying:
            return wall
        if self._idle is None:
            return self._clock
        return wall if self._idle.timer is None and not self._ahead else self._idle.moment()

    def answer(self, number: int, reply: dict[str, Any]) -> None:
        """Keep an answer until its step has come."""
        with self._lock:
            self._under_way.discard(number)
            self._settle(number)
            self._answers[number] = reply

    def postpone(self, number: int) -> None:
        """A call's answer will come in another life of the run; a place reserved for it is free again."""
        with self._lock:
            self._under_way.discard(number)
            recorded = self._recorded.get(number)
            if recorded is None or recorded.place is None:
                place = self._places.pop(number, None)
                if place is not None:
                    self._ahead.pop(place.step, None)

    def give_here(self, number: int) -> float | None:
        """The call's answer is given where it was made; the instant of the clock, None if it does not move.

        Raises NonDeterminism.
        """
        with self._lock:
            self._under_way.discard(number)
            place = self._settle(number)
            if self._ways[number] == "here":
                return None
            if place.step != self.given + 1:
                raise NonDeterminism(
                    f"the answer to call {number} was input {place.step} in an earlier attempt, "
                    f"and now is input {self.given + 1}"
                )
            return self._give(place).clock

    # -- inputs of idle code -------------------------------------------------------------------------------------

    def wait(self, clock: float, timer: float | None) -> None:
        """The code is idle: its clock, and the seconds to its next timer. Raises NonDeterminism."""
        with self._lock:
            self._clock = max(self._clock, clock)
            self._idle = Idle(time.monotonic(), clock, timer)
            self._check_calls()

    def _check_calls(self) -> None:
        """Idle code has made every call that it made before its next input in an earlier attempt."""
        if self._unmade and self._recorded[self._unmade[-1]].made_after <= self.given:
            number = self._unmade[-1]
            raise NonDeterminism(
                f"call {number} was made after {self._recorded[number].made_after} inputs in an earlier attempt; "
                f"now the code waits after {self.given} and has not made it"
            )

    def next_input(self) -> Answer | Tick | None:
        """What the idle code gets now, if anything. Raises NonDeterminism."""
        with self._lock:
            while (number := self._ahead.get(self.given + 1)) is None:
                if self._is_tick():
                    return self._tick()
                if not self._is_void():
                    return None
                self.given += 1
                self._check_calls()
            if number in self._answers:
                place = self._give(self._places[number])
                return Answer(number, self._answers.pop(number), place.clock)
            if number > self.made:
                raise NonDeterminism(
                    f"input {self.given + 1} was the answer to call {number} in an earlier attempt; "
                    "now the code waits and has not made that call"
                )
            return None

    def _is_tick(self) -> bool:
        idle = self._idle
        if idle is None or idle.timer is None:
            return False
        later = max((self._places[number].clock for number in self._ahead.values()), default=0.0)
        return self.given < self._proven or max(idle.moment(), later) >= idle.due

    def _is_void(self) -> bool:
        """Whether the next step was reserved for an answer that never came, and none will take its place."""
        if self._idle is None or self._idle.timer is not None:
            return False
        return self.given < self._proven or bool(self._ahead and self._under_way <= self._places.keys())

    def _tick(self) -> Tick:
        assert self._idle is not None
        self._give(Place(self.given + 1, self._idle.due))
        return Tick()

    def _give(self, place: Place) -> Place:
        self._idle = None
        self.given = place.step
        self._ahead.pop(place.step, None)
        self._clock = max(self._clock, place.clock)
        return place

    def tick_seconds(self, at_most: float) -> float:
        """Seconds until a tick may be due, at most so many."""
        with self._lock:
            if self._idle is None or self.given + 1 in self._ahead:
                return at_most
            return max(0.0, min(self._idle.due - self._idle.moment(), at_most))

    @property
    def stuck(self) -> bool:
        """Whether nothing can happen to the idle code in this life: no answer is under way and no timer set."""
        with self._lock:
            return self._idle is not None and self._idle.timer is None and not self._under_way

    def check_end(self) -> None:
        """The code has ended by itself. Raises NonDeterminism if it made fewer calls than in an earlier attempt."""
        if self._unmade:
            raise NonDeterminism(
                f"the code ended after {self.made} calls; in an earlier attempt it made at least {self.last_call}"
            )


def _is_input(call: Recorded, given: int) -> bool:
    return call.place is not None and call.place.step > max(call.made_after, given)

"""What a run's code is given, and how it waits for it."""

import time
from dataclasses import dataclass
from typing import Any, Literal

Way = Literal["sync", "async", "here"]
"""How a call is answered: where it is made, as an input ("sync" code); once the code is idle, as an input ("async"); or
where it is made, as no input and without moving the clock ("here": `log`, which need not be recorded)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An input: the answer to a call, and the instant at which the run's clock is to stand with it."""

    number: int
    reply: dict[str, Any]
    clock: float


class Tick:
    """An input: the time of the next timer has come."""


@dataclass(frozen=True, slots=True)
class Idle:
    """Since when (monotonic) the code waits, what its clock showed, and seconds from there to its next timer."""

    since: float
    clock: float
    timer: float | None

    @property
    def due(self) -> float:
        return float("inf") if self.timer is None else self.clock + self.timer

    def moment(self) -> float:
        return self.clock + time.monotonic() - self.since

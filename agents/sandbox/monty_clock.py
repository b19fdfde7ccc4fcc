"""monty's clock and sleeps, answered by the caller: the run's clock starts at the job's instant and runs on."""

import datetime
import time
from collections.abc import Callable
from typing import Any

_SLICE_SECONDS = 0.1


class MontyClock:
    """The time of one run. `over` says that the run was ended from outside, so that no sleep outlives it."""

    def __init__(self, now: float, over: Callable[[], bool]) -> None:
        self._now = now
        self._over = over
        self._started = time.monotonic()
        self._due: dict[int, float] = {}  # monty's number of an asyncio.sleep() -> monotonic time of its end

    def _moment(self) -> datetime.datetime:
        elapsed = time.monotonic() - self._started
        return datetime.datetime.fromtimestamp(self._now + elapsed, datetime.UTC)

    def answer(self, step: Any) -> Any:
        """What to resume a call of the operating system with; None if it is not about time."""
        if step.function_name == "asyncio.sleep":
            self._due[step.call_id] = time.monotonic() + float(step.args[0])
            return {"future": ...}
        if step.function_name == "time.sleep":
            self._sleep(float(step.args[0]))
            return {"return_value": None}
        if step.function_name == "time.time":
            return {"return_value": self._moment().timestamp()}
        if step.function_name == "date.today":
            return {"return_value": self._moment().date()}
        if step.function_name == "datetime.now":
            zone = step.args[0] if step.args else None
            moment = self._moment()
            return {"return_value": moment.replace(tzinfo=None) if zone is None else moment.astimezone(zone)}
        return None

    def _sleep(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while not self._over() and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))

    def next_end(self, at_most: float) -> float:
        """Seconds until the next asyncio.sleep() ends, at most so many."""
        left = min(self._due.values(), default=float("inf")) - time.monotonic()
        return max(0.0, min(left, at_most))

    def ended(self) -> dict[int, Any]:
        """The asyncio sleeps that are over, as monty is to be told of them."""
        now = time.monotonic()
        over = [number for number, due in self._due.items() if due <= now]
        for number in over:
            del self._due[number]
        return {number: {"return_value": None} for number in over}

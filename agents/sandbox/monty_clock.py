"""monty's clock, sleeps and chance, answered by the caller, the same in every attempt of a run.

The clock starts at the job's instant. A reading moves it by a microsecond, a sleep by its length, an input to the
instant that comes with it; computing does not move it.
"""

import datetime
import hashlib
import math
import time
from collections.abc import Callable
from typing import Any

_SLICE_SECONDS = 0.1
_BILLION = 1_000_000_000
_READING = 1_000
_MOST_RANDOM_BYTES = 1 << 20
_BLOCK = 64


class MontyClock:
    """The time of one run, in nanoseconds since its beginning.

    `over` says that the run was ended from outside, so that no sleep outlives it; `hurries` that no real time is to be
    spent sleeping, for the run replays an earlier attempt.
    """

    def __init__(self, now: float, seed: int, over: Callable[[], bool], hurries: Callable[[], bool]) -> None:
        self._beginning = round(now * _BILLION)
        self._key = hashlib.blake2b(str(seed).encode()).digest()
        self._over, self._hurries = over, hurries
        self.elapsed = 0
        self.drawn = 0  # blocks of chance
        self._due: dict[int, int] = {}  # monty's number of an asyncio.sleep() -> when it ends

    @property
    def seconds(self) -> float:
        """Seconds since the run's beginning; no reading by the run's code."""
        return self.elapsed / _BILLION

    def reach(self, instant: float) -> None:
        """Move it to an instant, in seconds since the run's beginning; never back."""
        self.elapsed = max(self.elapsed, round(instant * _BILLION))

    def _read(self) -> int:
        self.elapsed += _READING
        return self._beginning + self.elapsed

    def _moment(self) -> datetime.datetime:
        whole, rest = divmod(self._read(), _BILLION)
        return datetime.datetime.fromtimestamp(whole, datetime.UTC) + datetime.timedelta(microseconds=rest // 1000)

    def answer(self, step: Any) -> Any:
        """What to resume a call of the operating system with; None if it is not about time or chance."""
        name = step.function_name
        if name == "asyncio.sleep":
            self._due[step.call_id] = self.elapsed + _nanoseconds(step.args[0])
            return {"future": ...}
        if name == "time.sleep":
            self.sleep(float(step.args[0]))
            return {"return_value": None}
        if name == "time.time":
            return {"return_value": self._read() / _BILLION}
        if name == "date.today":
            return {"return_value": self._moment().date()}
        if name == "datetime.now":
            zone = step.args[0] if step.args else None
            moment = self._moment()
            return {"return_value": moment.replace(tzinfo=None) if zone is None else moment.astimezone(zone)}
        return self._random(step.args[0]) if name == "os.urandom" else None

    def _random(self, size: Any) -> Any:
        if not isinstance(size, int) or not 0 <= size <= _MOST_RANDOM_BYTES:
            return {"exc_type": "ValueError", "message": f"urandom() gives at most {_MOST_RANDOM_BYTES} bytes"}
        parts = []
        for _block in range(-(-size // _BLOCK)):
            self.drawn += 1
            parts.append(hashlib.blake2b(self.drawn.to_bytes(8, "big"), key=self._key).digest())
        return {"return_value": b"".join(parts)[:size]}

    def sleep(self, seconds: float) -> None:
        """Spend that time, unless the run hurries or is over, and move the clock by it."""
        end = time.monotonic() + seconds
        while not (self._over() or self._hurries()) and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, _SLICE_SECONDS))
        self.elapsed += _nanoseconds(seconds)

    @property
    def timer(self) -> float | None:
        """Seconds until the next asyncio.sleep() ends; None without any."""
        return max(0, min(self._due.values()) - self.elapsed) / _BILLION if self._due else None

    def end_next(self) -> dict[int, Any]:
        """Move the clock to the end of the asyncio.sleep() that ends first; what monty is to be told of it."""
        number = min(self._due, key=lambda number: (self._due[number], number))
        self.elapsed = max(self.elapsed, self._due.pop(number))
        return {number: {"return_value": None}}


def _nanoseconds(seconds: Any) -> int:
    span = float(seconds)
    return max(0, math.ceil(min(span, 1e12) * _BILLION)) if span == span else 0

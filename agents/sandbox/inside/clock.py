"""The run's clock: it starts at the instant its caller gives, and moves by what the run's code does and is given.

A reading moves it by a microsecond, a sleep by its length, an input to the instant that comes with it; computing does
not move it. So `time.time()`, `time.monotonic()`, `datetime.now()` and their kin, and the time of event loops, are the
same in every attempt. `time.perf_counter()` and the clocks of the process are the machine's own.
"""

import datetime
import math
import time
from collections.abc import Callable
from typing import Any

_BILLION = 1_000_000_000
_READING = 1_000

# Nanoseconds: the epoch's at the run's beginning, and since then.
_beginning = time.time_ns()
_elapsed = 0


def _never() -> bool:
    return False


hurries: Callable[[], bool] = _never
"""Whether no real time is to be spent sleeping, for the run replays an earlier attempt."""


def start(now: float) -> None:
    """Let the run's clock show `now` (seconds since the epoch) at this moment."""
    global _beginning, _elapsed
    _beginning, _elapsed = round(now * _BILLION), 0


def seconds() -> float:
    """Seconds since the run's beginning; no reading by the run's code."""
    return _elapsed / _BILLION


def advance(span: float) -> None:
    """Move it by so many seconds."""
    global _elapsed
    _elapsed += max(0, math.ceil(span * _BILLION))


def reach(instant: float) -> None:
    """Move it to an instant, in seconds since the run's beginning; never back."""
    global _elapsed
    _elapsed = max(_elapsed, round(instant * _BILLION))


def _monotonic_ns() -> int:
    global _elapsed
    _elapsed += _READING
    return _elapsed


def _monotonic() -> float:
    return _monotonic_ns() / _BILLION


def _time_ns() -> int:
    return _beginning + _monotonic_ns()


def _time() -> float:
    """Seconds since the epoch on the run's clock."""
    return _time_ns() / _BILLION


_real_sleep = time.sleep


def _sleep(span: Any, /) -> None:
    _real_sleep(min(span, 0) if hurries() else span)
    advance(span)


def _reading_of(real: Callable[[int], Any], wall: Callable[[], Any], steady: Callable[[], Any]) -> Callable[[int], Any]:
    """A function that reads a clock by number: the run's, or one of the machine's own."""
    clocks = {time.CLOCK_REALTIME: wall, time.CLOCK_MONOTONIC: steady}

    def function(number: int, /) -> Any:
        return clocks[number]() if number in clocks else real(number)

    function.__name__ = real.__name__
    return function


def _defaulting(real: Callable[..., Any], place: int) -> Callable[..., Any]:
    """A function of `time` whose moment, the argument number `place`, is by default the run's own."""

    def function(*arguments: Any) -> Any:
        if len(arguments) > place and arguments[place] is not None:
            return real(*arguments)
        moment = time.localtime(_time()) if real in (_asctime, _strftime) else _time()
        return real(*arguments[:place], moment)

    function.__name__ = real.__name__
    return function


_asctime, _strftime = time.asctime, time.strftime
_RealDate, _RealDatetime = datetime.date, datetime.datetime


def _qualified(moment: object, text: str) -> str:
    """A date's text with the module's name before it, as C puts it before its own types only."""
    return f"datetime.{text}" if type(moment) in _REAL else text


class _Like(type):
    """Instances of the real classes, which C code makes, count as instances of ours."""

    def __instancecheck__(cls, instance: object) -> bool:
        real = _REAL.get(cls)
        return type.__instancecheck__(cls, instance) if real is None else isinstance(instance, real)

    def __subclasscheck__(cls, subclass: type) -> bool:
        real = _REAL.get(cls)
        return type.__subclasscheck__(cls, subclass) if real is None else issubclass(subclass, real)


class _Date(datetime.date, metaclass=_Like):
    def __repr__(self) -> str:
        return _qualified(self, super().__repr__())

    @classmethod
    def today(cls) -> Any:
        return cls.fromtimestamp(_time())


class _Datetime(datetime.datetime, metaclass=_Like):
    def __repr__(self) -> str:
        return _qualified(self, super().__repr__())

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return cls.fromtimestamp(_time(), tz)

    @classmethod
    def today(cls) -> Any:
        return cls.fromtimestamp(_time())

    @classmethod
    def utcnow(cls) -> Any:
        return cls.fromtimestamp(_time(), datetime.UTC).replace(tzinfo=None)


_REAL: dict[type, type] = {_Date: _RealDate, _Datetime: _RealDatetime}


def install() -> None:
    """Put the run's clock in place of the machine's in `time` and `datetime`; before other modules import them."""
    time.time, time.time_ns = _time, _time_ns
    time.monotonic, time.monotonic_ns, time.sleep = _monotonic, _monotonic_ns, _sleep
    time.clock_gettime = _reading_of(time.clock_gettime, _time, _monotonic)
    time.clock_gettime_ns = _reading_of(time.clock_gettime_ns, _time_ns, _monotonic_ns)
    for name, place in (("localtime", 0), ("gmtime", 0), ("ctime", 0), ("asctime", 0), ("strftime", 1)):
        setattr(time, name, _defaulting(getattr(time, name), place))
    for ours, name in ((_Date, "date"), (_Datetime, "datetime")):
        ours.__name__ = ours.__qualname__ = name
        ours.__module__ = "datetime"
        setattr(datetime, name, ours)

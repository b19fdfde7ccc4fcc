"""The recorded clock: a run's wall clock starts at the instant its caller gives and runs on from there.

`time.time()`, `datetime.now()` and their kin answer that instant plus the monotonic time since the run began;
monotonic clocks are the machine's own.
"""

import datetime
import time
from collections.abc import Callable
from typing import Any

_monotonic = time.monotonic
_offset = time.time() - _monotonic()


def start(now: float) -> None:
    """Let the run's clock show `now` (seconds since the epoch) at this moment."""
    global _offset
    _offset = now - _monotonic()


def _time() -> float:
    """Seconds since the epoch on the run's clock."""
    return _monotonic() + _offset


def _time_ns() -> int:
    return int(_time() * 1e9)


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
    for name, place in (("localtime", 0), ("gmtime", 0), ("ctime", 0), ("asctime", 0), ("strftime", 1)):
        setattr(time, name, _defaulting(getattr(time, name), place))
    for ours, name in ((_Date, "date"), (_Datetime, "datetime")):
        ours.__name__ = ours.__qualname__ = name
        ours.__module__ = "datetime"
        setattr(datetime, name, ours)

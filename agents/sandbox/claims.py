"""What a cpython child says of itself, read as what it is: bytes from hostile hands."""

from dataclasses import dataclass
from typing import Any, cast, get_args

from .inputs import Way
from .inside import values
from .source import MAX_CODE_BYTES
from .specs import ErrorCode, SandboxError

_WAYS = frozenset(get_args(Way))
# What a child may say of itself; the rest is for us to find.
_OURS = {"non_determinism", "sandbox_failed", "runtime_unavailable", "cancelled", "time_limit"}
_CHILD_CODES = frozenset(get_args(ErrorCode)) - _OURS
_MOST_SECONDS = 1e12


class Garbage(Exception):
    """The child sent what no honest child sends."""


@dataclass(frozen=True, slots=True)
class Call:
    """A host call as the child made it; its name may be unknown."""

    name: str
    arguments: dict[str, Any]
    way: Way


def _parse(body: bytes) -> Any:
    try:
        return values.parse(values.without_nul(body))
    except ValueError as error:
        raise Garbage(f"it sent broken JSON ({error})") from None


def error_from(body: bytes) -> SandboxError:
    """The error that the child reports."""
    report = _parse(body)
    if not isinstance(report, dict):
        raise Garbage("its error report has the wrong shape")
    code, message = report.get("code"), str(report.get("message"))
    line = report.get("line")
    return SandboxError(
        code=cast(ErrorCode, code) if isinstance(code, str) and code in _CHILD_CODES else "code_error",
        message=message,
        traceback=str(report.get("traceback")),
        line=line if isinstance(line, int) and 0 < line <= MAX_CODE_BYTES else None,
    )


def call_from(body: bytes, number: int) -> Call:
    """The host call of this number."""
    call = _parse(body)
    if not isinstance(call, dict) or call.get("id") != number:
        raise Garbage("its host calls are not numbered")
    name, arguments, way = call.get("name"), call.get("arguments"), call.get("way")
    if not (isinstance(name, str) and isinstance(arguments, dict) and isinstance(way, str) and way in _WAYS):
        raise Garbage("a host call has the wrong shape")
    if (way == "here") != (name == "log"):
        raise Garbage("a host call waits in the wrong way")
    return Call(name, arguments, cast(Way, way))


def idle_from(body: bytes) -> tuple[float, float | None]:
    """What the idle child's clock shows, and the seconds to its next timer."""
    report = _parse(body)
    if not isinstance(report, dict):
        raise Garbage("its report of idleness has the wrong shape")
    timer = report.get("timer")
    return _seconds(report.get("clock")), None if timer is None else _seconds(timer)


def _seconds(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _MOST_SECONDS:
        raise Garbage("it tells an impossible time")
    return float(value)

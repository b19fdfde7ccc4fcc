"""What is said of code that failed: a code, one line, and a traceback of the agent's own lines."""

import json
import traceback
from typing import Any

FILE = "<agent>"
_MESSAGE_CHARACTERS, _TRACEBACK_CHARACTERS = 2_000, 20_000


def shortened(text: str) -> str:
    """A message at its longest allowed length."""
    return text[:_MESSAGE_CHARACTERS]


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # the agent's own __str__ may do anything
        text = "(its text cannot be shown)"
    name = type(error).__name__
    return shortened(f"{name}: {text}" if text else name)


def trace_of(places: list[tuple[int, str]], message: str, code: str) -> str:
    """A traceback of (line, function) places in the agent's code, in Python's own format, the innermost last."""
    if not places:
        return message + "\n"
    lines = code.splitlines()
    found = []
    for number, name in places:
        source = lines[number - 1] if 0 < number <= len(lines) else ""
        found.append(traceback.FrameSummary(FILE, number, name, lookup_line=False, line=source))
    text = "Traceback (most recent call last):\n" + "".join(traceback.StackSummary.from_list(found).format())
    return f"{text}{message}\n"[-_TRACEBACK_CHARACTERS:]


def _failure(code: str, message: str, trace: str, line: int | None) -> dict[str, Any]:
    return {"code": code, "message": message, "traceback": trace[-_TRACEBACK_CHARACTERS:], "line": line}


def syntax_error(error: SyntaxError) -> dict[str, Any]:
    """The report of code that does not parse."""
    trace = "".join(traceback.format_exception_only(error))
    return _failure("syntax_error", f"{error.msg} (line {error.lineno}, column {error.offset})", trace, error.lineno)


def failure(code: str, error: BaseException, source: str) -> dict[str, Any]:
    """The report of an exception, under a given code."""
    own = [
        (number, frame.f_code.co_name)
        for frame, number in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename == FILE
    ]
    message = _text(error)
    return _failure(code, message, trace_of(own, message, source), own[-1][0] if own else None)


def plain(code: str, message: str) -> dict[str, Any]:
    """A report without a place in the code."""
    return _failure(code, message, "", None)


def encode(report: dict[str, Any]) -> bytes:
    """A report as the body of an ERROR frame."""
    return json.dumps(report).encode()

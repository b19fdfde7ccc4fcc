"""JSON at the border: strict encoding, and where in a value the trouble is."""

import json
import math
import re
from typing import Any

MAX_DEPTH = 200
# The escape of a NUL: its backslash is no half of an escaped one.
_NUL = re.compile(rb"(?<!\\)((?:\\\\)*)\\u0000")


class NotJson(ValueError):
    """A value that JSON cannot say; `code` is "not_json" or "not_finite", the text names the place."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def find_problem(value: Any, path: str, depth: int) -> tuple[str, str] | None:
    """The first place in a value that JSON cannot say, as (code, "path: what"), or None.

    Written in monty's subset of Python, for monty runs this very source too.
    """
    if value is None or isinstance(value, (bool, int, str)):
        return None
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return ("not_finite", path + ": " + repr(value))
        return None
    if depth > 200:
        return ("not_json", path[:80] + "...: nested deeper than 200")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                return ("not_json", path + ": a key is " + type(key).__name__ + ", not str")
            found = find_problem(value[key], path + "." + key, depth + 1)
            if found is not None:
                return found
        return None
    if isinstance(value, (list, tuple)):
        for index in range(len(value)):
            found = find_problem(value[index], path + "[" + str(index) + "]", depth + 1)
            if found is not None:
                return found
        return None
    return ("not_json", path + ": " + type(value).__name__)


def encode(value: Any, what: str) -> bytes:
    """A value as UTF-8 JSON; raises NotJson with the path from `what`, e.g. "output.results[3]: set"."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise NotJson("not_json", f"{what}: text with half a surrogate pair") from None
    except (TypeError, ValueError, RecursionError) as error:
        code, message = find_problem(value, what, 0) or ("not_json", f"{what}: {error}")
        raise NotJson(code, message) from None


_SIZED = (str, bytes, list, tuple, dict, set, frozenset)


def exceeds(value: Any, limit: int) -> bool:
    """Whether the value surely takes more than `limit` bytes as text; looks no further than that."""
    size, ahead = 0, [value]
    while ahead and size <= limit:
        item = ahead.pop()
        size += max(1, len(item)) if isinstance(item, _SIZED) else 1
        if isinstance(item, dict):
            ahead += [*item.keys(), *item.values()]
        elif isinstance(item, (list, tuple, set, frozenset)):
            ahead += item
    return size > limit


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is not finite")
    return number


def _refuse(text: str) -> Any:
    raise ValueError(f"{text} is no JSON")


def parse(body: bytes) -> Any:
    """A value from hostile JSON: finite numbers, UTF-8 text, at most MAX_DEPTH deep. Raises ValueError."""
    text = body.decode("utf-8")  # json.loads would guess UTF-16 and let half surrogate pairs through
    try:
        value = json.loads(text, parse_float=_number, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        found = find_problem(value, "it", 0)
        if found is not None:
            raise ValueError(found[1])
    if b"\\u" in body:
        json.dumps(value, ensure_ascii=False).encode()  # an escape may be half a surrogate pair
    return value


def without_nul(body: bytes) -> bytes:
    """JSON whose strings have U+FFFD in place of each NUL."""
    return _NUL.sub(rb"\1\\ufffd", body) if b"\\u0000" in body else body

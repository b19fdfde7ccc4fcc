"""What comes out of a run, as the rest of the project may keep it: JSON of bounded cost, text of whole characters.

PostgreSQL stores no NUL, and half a surrogate pair is no UTF-8: neither passes here, whatever a run sends.
"""

from dataclasses import replace
from typing import Any

from .inside import reports, values
from .specs import JSON, ErrorCode, Limits, Outcome, SandboxError

MOST_PARTS = 600_000
"""Commas and opening brackets in a result's JSON. 1 MiB of the smallest numbers has 524 000; 16 MiB of "[]," would
cost 460 MB and 9 s to read."""


class Unfit(ValueError):
    """A result that is well-formed JSON and yet not an output; `code` says which rule it breaks."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def read_output(body: bytes, limits: Limits) -> JSON:
    """The output from a result's hostile JSON; raises Unfit, or ValueError for what is no JSON at all."""
    if len(body) > limits.output_bytes:
        raise Unfit("output_too_large", f"the output has {len(body)} bytes as JSON, the limit is {limits.output_bytes}")
    parts = body.count(b",") + body.count(b"[") + body.count(b"{")
    if parts > MOST_PARTS:
        raise Unfit("output_too_large", f"the output's JSON has {parts} commas and brackets, the limit is {MOST_PARTS}")
    output = values.parse(body)
    place = _nul_place(output) if b"\\u0000" in body else None
    if place is not None:
        raise Unfit("not_json", reports.shortened(f"output{place}: the character NUL cannot be stored"))
    return output


def _nul_place(value: Any) -> str | None:
    """Where in a value, at most values.MAX_DEPTH deep, the first NUL is, as a path from it; None if there is none."""
    if isinstance(value, str):
        return "" if "\0" in value else None
    if isinstance(value, dict):
        for key, item in value.items():
            place = "" if "\0" in key else _nul_place(item)
            if place is not None:
                return f".{key}{place}"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            place = _nul_place(item)
            if place is not None:
                return f"[{index}]{place}"
    return None


def text(words: str) -> str:
    """Text that can be stored: a NUL becomes U+FFFD, half a surrogate pair its escape."""
    return words.replace("\0", "\ufffd").encode(errors="backslashreplace").decode()


def storable(outcome: Outcome) -> Outcome:
    """An outcome whose texts can be stored."""
    error = outcome.error
    if error is not None:
        error = replace(error, message=text(error.message), traceback=text(error.traceback))
    return replace(outcome, error=error, stdout=text(outcome.stdout))


def failure(error: Unfit) -> SandboxError:
    """A run's error, from what its result is unfit for."""
    return SandboxError(error.code, str(error))

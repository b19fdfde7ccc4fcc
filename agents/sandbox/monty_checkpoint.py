"""A suspended run of monty as bytes: a header of ours, and monty's own snapshot of its interpreter.

The snapshot is written and read by monty's confined worker only; here, and in monty's client, it is bytes.
"""

import hashlib
import json
import struct
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from .inside import values
from .specs import HostCall

MOST_BYTES = 8 << 20
_FORMAT = 1
_LENGTH = struct.Struct("!I")


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A call that is not answered yet; `monty_id` is monty's own number of it."""

    id: int
    monty_id: int
    name: str
    arguments: dict[str, Any]
    made_after: int

    def as_host_call(self) -> HostCall:
        """The call as the host gets it."""
        return HostCall(self.id, self.name, self.arguments, self.made_after)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a run stands: inputs given, calls made, nanoseconds on its clock, blocks of chance drawn."""

    given: int
    made: int
    elapsed: int
    drawn: int
    printed: str
    outstanding: tuple[Outstanding, ...]
    snapshot: bytes

    def packed(self, source: str) -> bytes | None:
        """It as bytes, for a run of this source only; None if there are too many."""
        calls = [[call.id, call.monty_id, call.name, call.made_after] for call in self.outstanding]
        header = {
            "key": _key(source),
            "numbers": [self.given, self.made, self.elapsed, self.drawn],
            "printed": self.printed,
            "calls": calls,
            # As text, for they may be as deep as any JSON may be here.
            "arguments": [json.dumps(call.arguments) for call in self.outstanding],
        }
        head = json.dumps(header).encode()
        whole = _LENGTH.pack(len(head)) + head + self.snapshot
        return whole if len(whole) <= MOST_BYTES else None


def _key(source: str) -> str:
    """What a checkpoint fits: its format, monty's version and the run's whole source."""
    facts = f"{_FORMAT}\n{version('pydantic-monty')}\n{source}"
    return hashlib.sha256(facts.encode(errors="surrogatepass")).hexdigest()


def unpacked(data: bytes, source: str) -> Checkpoint | None:
    """The checkpoint, or None if it is not one of this source, this format and this version of monty."""
    if not _LENGTH.size < len(data) <= MOST_BYTES:
        return None
    start = _LENGTH.size + _LENGTH.unpack_from(data)[0]
    try:
        header = values.parse(data[_LENGTH.size : start])
        if header["key"] != _key(source):
            return None
        given, made, elapsed, drawn = map(_count, header["numbers"])
        arguments = [values.parse(_text(text).encode()) for text in header["arguments"]]
        calls = zip(header["calls"], arguments, strict=True)
        outstanding = tuple(
            Outstanding(_count(number), _count(monty_id), _text(name), dict(named), _count(made_after))
            for (number, monty_id, name, made_after), named in calls
        )
        return Checkpoint(given, made, elapsed, drawn, _text(header["printed"]), outstanding, data[start:])
    except (ValueError, TypeError, KeyError):
        return None


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no count")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise ValueError("no text")
    return value

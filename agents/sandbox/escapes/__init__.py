"""The tables of escapes, per runtime."""

from agents.sandbox.specs import Runtime

from . import kernel_calls, limits, monty, reach
from .attempt import PRELUDE, Escape

TABLES: dict[Runtime, list[Escape]] = {
    "cpython": [*kernel_calls.ESCAPES, *reach.ESCAPES, *limits.ESCAPES],
    "monty": monty.ESCAPES,
}

__all__ = ["PRELUDE", "TABLES", "Escape"]

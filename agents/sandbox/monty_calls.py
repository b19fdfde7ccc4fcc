"""A call of monty's code as the host is to see it: by name, with named arguments of bounded size."""

from typing import Any

from . import monty_source
from .inside import frames, values
from .specs import HostCallError

CALLS = {"log": ("message",), "call_llm": ("prompt",), "call_agent": ("name", "input")}
"""The functions that code may call beside its tools, and their positional parameters."""


def _arguments(name: str, positional: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
    """A call's arguments by name, as the cpython runtime sends them; raises TypeError."""
    places = CALLS[name]
    if len(positional) > len(places):
        raise TypeError(f"{name}() takes {len(places)} positional arguments but {len(positional)} were given")
    bound = dict(zip(places, positional, strict=False))
    if name == "log":
        message = bound.get("message", named.pop("message", ""))
        return {"message": str(message), "fields": named}
    if name == "call_agent":
        return {"name": None, "input": None, **bound, **named}
    return {**{key: value for key, value in bound.items() if value is not None}, **named}


def call_of(step: Any) -> tuple[str, dict[str, Any]]:
    """A call's name and arguments as the host is to see them; raises HostCallError, TypeError, ValueError."""
    name = step.function_name
    if name == monty_source.TOOL_CALL:
        name = "tool"
    if values.exceeds([step.args, step.kwargs], frames.CALL_BYTES):
        raise _too_large(name)
    if name == "tool":
        tool, arguments = step.args
        name = f"tool:{tool}"
    else:
        arguments = _arguments(name, step.args, dict(step.kwargs))
    body = values.encode(arguments, name)
    if len(body) > frames.CALL_BYTES:
        raise _too_large(name)
    # Through JSON and back: the host sees the types that the other runtime would send.
    return name, values.parse(values.without_nul(body))


def _too_large(name: str) -> HostCallError:
    return HostCallError("too_large", f"{name[:100]}: the arguments exceed {frames.CALL_BYTES} bytes as JSON")

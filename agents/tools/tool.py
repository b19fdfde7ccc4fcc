"""What a built-in tool is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from agents.sandbox import JSON

EffectClass = Literal["pure", "keyed", "unsafe"]
"""pure: repeated at will. keyed: repeated with the same key, which the other side honours. unsafe: never repeated
without somebody's word."""


def never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call.

    arguments: by the tool's schema, which the caller has checked.
    key: the idempotency key, one for each call of a run, the same whenever that call is made again.
    seconds: what is left for it.
    before_send: called once before anything leaves this process; what it raises comes out, and nothing has left. A tool
    that reaches nobody does not call it.
    cancelled: nobody waits for the result any more once it says true. A tool that takes long asks about four times a
    second, and raises ToolError `cancelled`.
    """

    arguments: dict[str, Any]
    key: str
    seconds: float
    before_send: Callable[[], None]
    cancelled: Callable[[], bool] = never


class ToolError(Exception):
    """A call without a result. `code` is for programs, `message` one sentence for the agent.

    unknown: the call may have taken effect, although no answer tells so.
    retryable: the same call may well succeed soon, and making it again does no harm.
    """

    def __init__(self, code: str, message: str, *, unknown: bool = False, retryable: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.unknown = unknown
        self.retryable = retryable


class Tool(Protocol):
    """`name` is "category.verb"; `input_schema` a JSON Schema of `ToolCall.arguments`."""

    name: str
    description: str
    input_schema: dict[str, Any]
    effect_class: EffectClass

    def call(self, call: ToolCall) -> JSON:
        """Raises ToolError, and what `call.before_send` raises."""


def argument(call: ToolCall, name: str, kind: type, default: Any = None) -> Any:
    """The argument, or `default` where it is not given. Raises ToolError `invalid_arguments` for another type."""
    value = call.arguments.get(name, default)
    if value is not default and not isinstance(value, kind):
        raise ToolError("invalid_arguments", f"{name} is not of the type {kind.__name__}")
    return value

"""Tools that ask other servers. Their answers of any status are results: a 404 is for the agent to read."""

import json
from collections.abc import Mapping
from typing import Any

from agents.sandbox import JSON, Limits, border
from agents.tools.tool import EffectClass, ToolCall, ToolError, argument
from gofannon.lib import http

MOST_BYTES = 1 << 20
REDIRECTS = 5
KEY_HEADER = "Idempotency-Key"
SHOWN_HEADERS = ("content-type", "date", "etag", "last-modified", "link", "location", "retry-after", "x-request-id")
# Nothing had left, and a moment later things may be better.
PASSING = frozenset({"no_such_host", "connect_failed", "timeout"})
# Something had left: worth another try where that does no harm.
INTERRUPTED = frozenset({"timeout", "connection_lost"})

_URL = {"type": "string", "maxLength": 8192, "description": "http:// or https://, without credentials"}
_HEADERS = {
    "type": "object",
    "additionalProperties": {"type": "string", "maxLength": 8192},
    "maxProperties": 50,
    "description": "further headers of the request",
}
_SENDING: dict[str, Any] = {
    "type": "object",
    "properties": {
        "method": {"enum": ["POST", "PUT", "PATCH", "DELETE"]},
        "url": _URL,
        "headers": _HEADERS,
        "json": {"description": "the body, as JSON"},
        "text": {"type": "string", "description": "the body, as text; not together with json"},
    },
    "required": ["method", "url"],
    "additionalProperties": False,
}
_RESULT = "Returns status, url, some headers, and the body: json where the answer is JSON, text otherwise."


class Get:
    """http.get"""

    name = "http.get"
    description = f"Gets a URL and follows redirects. {_RESULT}"
    input_schema: dict[str, Any] = {
        "type": "object",
        "properties": {"url": _URL, "headers": _HEADERS},
        "required": ["url"],
        "additionalProperties": False,
    }
    effect_class: EffectClass = "pure"

    def call(self, call: ToolCall) -> JSON:
        return _ask(call, "GET", _headers(call), b"", self.effect_class, redirects=REDIRECTS)


class Send:
    """http.send"""

    name = "http.send"
    description = (
        "Sends a request that changes something, with a key by which the other side knows a repetition: "
        f"only for servers that honour the header {KEY_HEADER}. {_RESULT}"
    )
    input_schema = _SENDING
    effect_class: EffectClass = "keyed"

    def call(self, call: ToolCall) -> JSON:
        headers = _headers(call)
        if any(str(name).lower() == KEY_HEADER.lower() for name in headers):
            raise ToolError("invalid_arguments", f"the header {KEY_HEADER} is set by the platform")
        return _send(call, {**headers, KEY_HEADER: call.key}, self.effect_class)


class SendOnce:
    """http.send_once"""

    name = "http.send_once"
    description = (
        "Sends a request that changes something to a server that knows no keys. It is not repeated: "
        f"where its outcome is unknown, somebody is asked. {_RESULT}"
    )
    input_schema = _SENDING
    effect_class: EffectClass = "unsafe"

    def call(self, call: ToolCall) -> JSON:
        return _send(call, _headers(call), self.effect_class)


def _headers(call: ToolCall) -> dict[str, str]:
    return dict(argument(call, "headers", dict, {}))


def _send(call: ToolCall, headers: dict[str, str], effect_class: EffectClass) -> JSON:
    method = argument(call, "method", str, "")
    if method not in _SENDING["properties"]["method"]["enum"]:
        raise ToolError("invalid_arguments", "the method is one of POST, PUT, PATCH and DELETE")
    content, content_type = _body(call)
    if content_type and not any(str(name).lower() == "content-type" for name in headers):
        headers["Content-Type"] = content_type
    return _ask(call, method, headers, content, effect_class, redirects=0)


def _body(call: ToolCall) -> tuple[bytes, str]:
    """(the body, its type); the type is empty where there is none. Raises ToolError."""
    if "json" in call.arguments and "text" in call.arguments:
        raise ToolError("invalid_arguments", "a request has json or text, not both")
    try:
        if "json" in call.arguments:
            return json.dumps(call.arguments["json"], allow_nan=False).encode(), "application/json"
        if "text" in call.arguments:
            return argument(call, "text", str, "").encode(), "text/plain; charset=utf-8"
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolError("invalid_arguments", f"the body cannot be written: {type(error).__name__}") from error
    return b"", ""


def _ask(
    call: ToolCall, method: str, headers: Mapping[str, str], content: bytes, effect_class: EffectClass, redirects: int
) -> JSON:
    try:
        answer = http.request(
            method,
            argument(call, "url", str, ""),
            headers=headers,
            content=content,
            timeout=min(call.seconds, http.default_seconds()),
            max_bytes=MOST_BYTES,
            redirects=redirects,
            before_send=call.before_send,
            cancelled=call.cancelled,
        )
    except http.TooLarge as error:
        # The other side has answered, so the outcome is known: only the answer cannot be shown.
        message = f"the answer, of status {error.status}, has more than {MOST_BYTES} bytes"
        raise ToolError(error.code, message) from error
    except http.HttpError as error:
        repeatable = error.code in INTERRUPTED and effect_class != "unsafe"
        raise ToolError(
            error.code,
            error.message,
            unknown=error.sent and effect_class != "pure",
            retryable=repeatable if error.sent else error.code in PASSING,
        ) from error
    shown = {name: border.text(answer.headers[name]) for name in SHOWN_HEADERS if name in answer.headers}
    return {"status": answer.status, "url": answer.url, "headers": shown, **_shown_body(answer)}


def _shown_body(answer: http.Response) -> dict[str, JSON]:
    """`{"json": ...}` where the answer says so and it is true, otherwise `{"text": ...}`; both can be stored."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return {"json": border.read_output(answer.content, Limits(output_bytes=MOST_BYTES))}
        except ValueError:
            pass
    return {"text": border.text(answer.text)}

"""Schemas of what goes into and comes out of an agent. Pure.

Two forms are understood: JSON Schema (its own draft, 2020-12 by default), and the short form, an object that maps each
field to the name of its type (`{"query": "string", "max_results": "integer"}`; `"string?"` marks an optional one).
An empty one accepts everything.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs

from agents import schema_cost
from gofannon.lib.errors import ApiError, FieldErrors

MAX_ERRORS = 20
MAX_BYTES = 256 * 1024
# No body is so large that a schema of this cost could hold anybody up.
FREE_COST = 10

SHORT_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "float": {"type": "number"},
    "boolean": {"type": "boolean"},
    "array": {"type": "array"},
    "list": {"type": "array"},
    "object": {"type": "object"},
    "json": {},
}
# Words that make an object JSON Schema rather than a short form with fields of these names.
_KEYWORDS = frozenset(
    [
        "$schema",
        "$id",
        "$ref",
        "$defs",
        "$anchor",
        "$comment",
        "$dynamicRef",
        "definitions",
        "type",
        "properties",
        "required",
        "items",
        "prefixItems",
        "enum",
        "const",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "title",
        "description",
        "default",
        "examples",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "minItems",
        "maxItems",
        "uniqueItems",
        "contains",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "format",
    ]
)


def is_short(schema: dict[str, Any]) -> bool:
    """Whether every value is the name of a short type, unless the keys make it JSON Schema.

    `{"title": "string", "description": "string"}` would constrain nothing as JSON Schema, so nobody means that;
    `{"type": "string"}` would.
    """
    if not all(_is_short_type(value) for value in schema.values()):
        return False
    return not _KEYWORDS.issuperset(schema) or not any(key == "type" or key.startswith("$") for key in schema)


def _is_short_type(value: Any) -> bool:
    return isinstance(value, str) and value.removesuffix("?") in SHORT_TYPES


def expand(schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema that a schema of either form stands for."""
    if not schema or not is_short(schema):
        return schema
    return {
        "type": "object",
        "properties": {name: SHORT_TYPES[kind.removesuffix("?")] for name, kind in schema.items()},
        "required": [name for name, kind in schema.items() if not kind.endswith("?")],
    }


def problems(schema: Any, path: str) -> list[ApiError]:
    """Why `schema` is none, each with code `invalid_schema` and the path below `path`; empty where it is one."""
    if not isinstance(schema, dict):
        return [ApiError("a schema is an object", code="invalid_schema", path=path)]
    text = json.dumps(schema, sort_keys=True)
    if len(text) > MAX_BYTES:
        return [ApiError(f"a schema has at most {MAX_BYTES} bytes", code="invalid_schema", path=path)]
    try:
        _compiled(text)
    except jsonschema_rs.ValidationError as error:
        return [ApiError(_shorten(error.message), code="invalid_schema", path=_join(path, error.instance_path))]
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return [ApiError(_shorten(str(error)), code="invalid_schema", path=path)]
    if unknown := _almost_short(schema):
        names = ", ".join(SHORT_TYPES)
        message = f"{schema[unknown]!r} is no type of the short form ({names}), and {unknown!r} no word of JSON Schema"
        return [ApiError(_shorten(message), code="invalid_schema", path=f"{path}.{unknown}")]
    return []


def _almost_short(schema: dict[str, Any]) -> str | None:
    """The field of a misspelt short form: JSON Schema would ignore it, and check nothing, without a word."""
    if is_short(schema) or any(key in _KEYWORDS or key.startswith(("$", "x-")) for key in schema):
        return None
    return next((name for name, value in schema.items() if not _is_short_type(value)), None)


def check(value: Any, schema: dict[str, Any], root: str) -> None:
    """Raises ApiError `schema_mismatch` with the failing path below `root`, such as `input.items[2].name`."""
    if not schema:
        return
    try:
        validator, cost = _compiled(json.dumps(schema, sort_keys=True))
        if cost > FREE_COST:
            schema_cost.refuse_long_work(value, cost)
    except schema_cost.TooCostly as costly:
        raise ApiError(str(costly), code="schema_too_costly", path=root) from costly
    found = []
    for error in validator.iter_errors(value):
        found.append(ApiError(_shorten(error.message), code="schema_mismatch", path=_join(root, _blamed(error))))
        if len(found) == MAX_ERRORS:
            break
    if found:
        raise found[0] if len(found) == 1 else FieldErrors(found)


@lru_cache(maxsize=512)
def _compiled(text: str) -> tuple[Any, int]:
    """(a validator that fetches nothing and whose patterns run in linear time, its cost for each part of a value).

    Raises TooCostly before anything is compiled.
    """
    schema = expand(json.loads(text))
    cost = schema_cost.cost_of(schema)
    options = jsonschema_rs.RegexOptions()
    return jsonschema_rs.validator_for(schema, pattern_options=options, offline=True, validate_formats=True), cost


def _blamed(error: jsonschema_rs.ValidationError) -> Iterator[str | int]:
    yield from error.instance_path
    missing = getattr(error.kind, "property", None)
    if isinstance(missing, str):
        yield missing


def _join(root: str, parts: Any) -> str:
    return root + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def _shorten(text: str) -> str:
    first = text.splitlines()[0] if text else "is not valid"
    return first if len(first) <= 240 else first[:237] + "..."

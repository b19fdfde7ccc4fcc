"""Schemas: both forms, the failing path, and what must not hold up a process."""

from typing import Any

import pytest

from agents import schemas
from gofannon.lib.errors import ApiError, FieldErrors


def bomb(levels: int) -> dict[str, Any]:
    """2 KB whose every level doubles the work."""
    double = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": {**double, f"a{levels}": {"type": "object"}}, "$ref": "#/$defs/a0"}


def tree(**properties: Any) -> dict[str, Any]:
    return {"$defs": {"node": {"type": "object", "properties": properties}}, "$ref": "#/$defs/node"}


NODE = {"$ref": "#/$defs/node"}
ONE = {"properties": {"a": NODE}}
COSTLY = {
    "doubling references": bomb(60),
    "recursion that branches": {"$defs": {"node": {"allOf": [ONE, ONE]}}, "$ref": "#/$defs/node"},
    "recursion by name and by any": {
        "$defs": {"node": {"allOf": [ONE, {"additionalProperties": NODE}]}},
        "$ref": "#/$defs/node",
    },
    "recursion on the same value": {"$defs": {"node": {"allOf": [NODE]}}, "$ref": "#/$defs/node"},
    "a reference to itself": {"$ref": "#"},
    "an anchor": {"$anchor": "x", "anyOf": [{"$ref": "#x"}, {"$ref": "#x"}]},
}


@pytest.mark.parametrize("schema", COSTLY.values(), ids=COSTLY.keys())
def test_a_schema_that_takes_for_ever_is_refused_when_it_is_saved(schema: dict[str, Any]) -> None:
    [problem] = schemas.problems(schema, "input_schema")
    assert (problem.code, problem.path) == ("invalid_schema", "input_schema")


@pytest.mark.parametrize("schema", COSTLY.values(), ids=COSTLY.keys())
def test_and_where_it_was_imported_it_is_not_used(schema: dict[str, Any]) -> None:
    with pytest.raises(ApiError) as refusal:
        schemas.check({"a": {"a": {}}}, schema, "input")
    assert refusal.value.code == "schema_too_costly"


FINE = {
    "a linked list": tree(value={"type": "integer"}, next=NODE),
    "a binary tree": tree(left=NODE, right=NODE),
    "a tree of lists": tree(children={"type": "array", "items": NODE}),
    "shared definitions": {
        "$defs": {"name": {"type": "string"}},
        "properties": {f"p{n}": {"$ref": "#/$defs/name"} for n in range(200)},
    },
}


@pytest.mark.parametrize("schema", FINE.values(), ids=FINE.keys())
def test_ordinary_recursion_and_sharing_are_fine(schema: dict[str, Any]) -> None:
    assert schemas.problems(schema, "s") == []
    schemas.check({}, schema, "input")


def test_recursion_is_checked_to_the_bottom() -> None:
    value = {"value": 1, "next": {"value": 2, "next": {"value": "three"}}}
    with pytest.raises(ApiError) as mismatch:
        schemas.check(value, FINE["a linked list"], "input")
    assert mismatch.value.path == "input.next.next.value"


def test_much_data_for_a_large_schema_is_refused() -> None:
    schema = {"items": {"allOf": [{"minimum": n} for n in range(4000)]}}
    assert schemas.problems(schema, "s") == []
    with pytest.raises(ApiError) as refusal:
        schemas.check([1] * 1_000_000, schema, "input")
    assert (refusal.value.code, refusal.value.path) == ("schema_too_costly", "input")


@pytest.mark.parametrize(
    ("schema", "value", "path"),
    [
        ({"query": "string"}, {"query": 1}, "input.query"),
        ({"query": "string"}, {}, "input.query"),
        ({"title": "string", "description": "string"}, {"title": 5, "description": "x"}, "input.title"),
        ({"query": "string"}, "text", "input"),
        ({"n": "integer"}, {"n": 1.5}, "input.n"),
        ({"n": "float"}, {"n": "1"}, "input.n"),
        ({"b": "boolean"}, {"b": 0}, "input.b"),
        ({"l": "list"}, {"l": {}}, "input.l"),
        ({"o": "object"}, {"o": []}, "input.o"),
        ({"type": "array", "items": {"type": "string"}}, ["a", 1], "input[1]"),
        ({"properties": {"a": {"properties": {"b": {"maximum": 3}}}}}, {"a": {"b": 4}}, "input.a.b"),
    ],
)
def test_a_mismatch_names_its_path(schema: dict[str, Any], value: Any, path: str) -> None:
    with pytest.raises(ApiError) as mismatch:
        schemas.check(value, schema, "input")
    assert (mismatch.value.code, mismatch.value.path) == ("schema_mismatch", path)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, ["anything"]),
        ({"query": "string", "n": "integer?"}, {"query": "x"}),
        ({"x": "json"}, {"x": None}),
        ({"f": "float", "n": "number"}, {"f": 1, "n": 1.5}),
        ({"type": "string"}, "the word type makes it JSON Schema"),
        ({"type": "string", "query": "string"}, {"type": "a", "query": "b"}),
    ],
)
def test_what_fits_passes(schema: dict[str, Any], value: Any) -> None:
    assert schemas.problems(schema, "s") == []
    schemas.check(value, schema, "input")


def test_several_mismatches_are_all_told() -> None:
    with pytest.raises(FieldErrors) as several:
        schemas.check({"a": 1, "b": 2}, {"a": "string", "b": "string"}, "input")
    assert [error.path for error in several.value.all] == ["input.a", "input.b"]


def test_a_pattern_that_backtracks_for_ever_elsewhere_ends_here() -> None:
    with pytest.raises(ApiError):
        schemas.check("a" * 50_000 + "!", {"type": "string", "pattern": "^(a+)+$"}, "input")


def test_nothing_is_fetched() -> None:
    [problem] = schemas.problems({"$ref": "http://127.0.0.1:9/schema"}, "s")
    assert problem.code == "invalid_schema"

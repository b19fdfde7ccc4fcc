"""What checking a value against a JSON Schema can cost, told before anything is checked. Pure.

A schema of 2 KB can make a validator work for days: references double, level by level, and no validator can be
interrupted. So the cost is counted first: each subschema costs one for each way in which it is reached.
"""

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

MAX_COST = 5_000
# Evaluations of a subschema at a place of the value: about a second.
MAX_WORK = 20_000_000
MAX_DEPTH = 100

# Applied to the value itself, and so as often as they are reached.
_HERE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies", "propertyNames")
# Applied to parts of the value: to the named ones, or to any.
_NAMED = ("properties",)
_ANY = (
    *("items", "prefixItems", "additionalItems", "contains", "additionalProperties", "patternProperties"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)
_ARRAY = frozenset(("items", "prefixItems", "additionalItems", "contains", "unevaluatedItems"))
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class TooCostly(ValueError):
    """The schema, or the schema on this value, would take too long to check."""


class _Counter:
    def __init__(self, root: Any) -> None:
        self.root = root
        self.known: dict[int, int] = {}
        self.open: list[int] = []
        self.recursive: set[int] = set()

    def cost(self, node: Any) -> int:
        if not isinstance(node, dict):
            return 1
        key = id(node)
        if key in self.known:
            return self.known[key]
        if key in self.open:
            self.recursive.add(key)
            return 1
        if len(self.open) > MAX_DEPTH:
            raise TooCostly(f"the schema nests deeper than {MAX_DEPTH} levels")
        self.open.append(key)
        total = 1 + len(node.get("enum") or ()) if isinstance(node.get("enum"), list) else 1
        for child in (*self.here(node), *(child for _, child in self.parts(node))):
            total += self.cost(child)
            if total > MAX_COST:
                raise TooCostly(f"checking the schema would take more than {MAX_COST} steps for each value")
        self.open.pop()
        self.known[key] = total
        return total

    def here(self, node: dict[str, Any]) -> Iterator[Any]:
        """The subschemas that are applied to the same value."""
        for word in _REFERENCES:
            if isinstance(node.get(word), str):
                yield self.target(node[word])
        for word in _HERE:
            yield from _children(node.get(word))

    def parts(self, node: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """(the part of the value, its subschema): a property's name, or a word that stands for any part."""
        for word in _NAMED:
            if isinstance(node.get(word), dict):
                yield from ((f".{name}", child) for name, child in node[word].items())
        for word in _ANY:
            yield from (("[]" if word in _ARRAY else ".*", child) for child in _children(node.get(word)))

    def target(self, reference: str) -> Any:
        """What a reference within the document names; an anchor or an unknown one counts as the whole document."""
        if not reference.startswith("#/"):
            return self.root
        node = self.root
        for part in reference[2:].split("/"):
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and name in node:
                node = node[name]
            elif isinstance(node, list) and name.isdecimal() and int(name) < len(node):
                node = node[int(name)]
            else:
                return self.root
        return node

    def refuse_branching(self, node: Any) -> None:
        """A recursive schema may look at each part of a value once, or its cost doubles with the value's depth."""
        seen: list[str] = []
        for part, child in self._parts_of_value(node, set()):
            if self._leads_back(child, id(node), set()):
                seen.append(part)
        doubled = len(seen) != len(set(seen)) or (".*" in seen and any(part[0] == "." for part in seen if part != ".*"))
        if doubled:
            raise TooCostly("the schema calls itself more than once for the same part of a value")

    def _parts_of_value(self, node: Any, path: set[int]) -> Iterator[tuple[str, Any]]:
        if not isinstance(node, dict):
            return
        if id(node) in path:
            raise TooCostly("the schema calls itself for the same value, without end")
        yield from self.parts(node)
        for child in self.here(node):
            yield from self._parts_of_value(child, path | {id(node)})

    def _leads_back(self, node: Any, goal: int, seen: set[int]) -> bool:
        if not isinstance(node, dict) or id(node) in seen:
            return False
        if id(node) == goal:
            return True
        seen.add(id(node))
        below = (*self.here(node), *(child for _, child in self.parts(node)))
        return any(self._leads_back(child, goal, seen) for child in below)


def _children(value: Any) -> Iterator[Any]:
    """The subschemas under a word: one, a list of them, or a mapping to them."""
    if isinstance(value, list):
        yield from value
    elif isinstance(value, dict):
        if value and all(isinstance(child, dict | bool | list) for child in value.values()):
            yield from value.values()
        yield value


def cost_of(schema: dict[str, Any]) -> int:
    """Steps for each part of a value. Raises TooCostly past MAX_COST, and for recursion that branches."""
    counter = _Counter(schema)
    total = counter.cost(schema)
    if counter.recursive:
        for node in _all_objects(schema):
            if id(node) in counter.recursive:
                counter.refuse_branching(node)
    return total


def _all_objects(node: Any) -> Iterator[dict[str, Any]]:
    ahead = [node]
    while ahead:
        item = ahead.pop()
        if isinstance(item, dict):
            yield item
            ahead.extend(item.values())
        elif isinstance(item, list):
            ahead.extend(item)


def refuse_long_work(value: Any, cost: int) -> None:
    """Raises TooCostly where a schema of this cost would take too long over all parts of the value."""
    most = MAX_WORK // cost
    ahead, parts = [value], 0
    while ahead:
        item = ahead.pop()
        parts += 1
        if parts > most:
            raise TooCostly("the value is too large to be checked against so large a schema")
        if isinstance(item, dict):
            ahead.extend(item.values())
        elif isinstance(item, list):
            ahead.extend(item)

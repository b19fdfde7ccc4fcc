"""JSON bodies, strictly: what the database cannot hold or a reader could not agree on is refused at the border."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from django.http import HttpRequest
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

MAX_DEPTH = 100
MAX_DIGITS = 4000


def _refuse(literal: str) -> NoReturn:
    raise ParseError(f"{literal} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ParseError(f"a number has more than {MAX_DIGITS} digits")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ParseError(f"the number {text[:40]} is out of range")
    return number


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ParseError("an object names a key twice")
    return found


def check_storable(value: Any, depth: int = 0) -> None:
    """Refuses NUL characters, lone surrogates and nesting past MAX_DEPTH. Raises ParseError."""
    if isinstance(value, str):
        if "\x00" in value:
            raise ParseError("a text contains the character NUL, which cannot be stored")
        if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
            raise ParseError("a text contains half of a surrogate pair")
        return
    if not isinstance(value, dict | list):
        return
    if depth >= MAX_DEPTH:
        raise ParseError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        for key in value:
            check_storable(key)
        value = value.values()
    for item in value:
        check_storable(item, depth + 1)


def loads(text: bytes | str) -> Any:
    """Parses JSON strictly. Raises ParseError with one sentence."""
    try:
        text = text.decode("utf-8") if isinstance(text, bytes) else text
        value = json.loads(
            text, parse_constant=_refuse, parse_int=_integer, parse_float=_finite, object_pairs_hook=_unique
        )
    except UnicodeDecodeError as error:
        raise ParseError("the body is not UTF-8") from error
    except RecursionError as error:
        raise ParseError(f"nested deeper than {MAX_DEPTH} levels") from error
    except ValueError as error:
        raise ParseError(f"the body is not JSON: {error}") from error
    check_storable(value)
    return value


class StrictJSONParser(JSONParser):
    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        # `body` keeps to DATA_UPLOAD_MAX_MEMORY_SIZE and can be read again; the bare stream does neither.
        body = stream.body if isinstance(stream, HttpRequest) else stream.read()
        return loads(body) if body.strip() else {}

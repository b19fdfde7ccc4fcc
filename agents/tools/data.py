"""Tools that work on data and reach nobody."""

import csv
import io
from typing import Any

from agents.sandbox import JSON
from agents.sandbox.border import text as storable
from agents.tools.tool import EffectClass, ToolCall, ToolError, argument

MOST_CHARACTERS = 256 << 10
# A long header is repeated in every row: rows times its characters are no more than this.
MOST_NAMED_CHARACTERS = 2 << 20


class ParseCsv:
    """data.parse_csv"""

    name = "data.parse_csv"
    description = (
        "Parses CSV text into a list of rows: objects by the names in the first line, "
        "or with header=false lists of fields. All values are text. Empty lines are left out."
    )
    input_schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": MOST_CHARACTERS, "description": "the CSV, at most 256 KiB"},
            "delimiter": {
                "type": "string",
                "minLength": 1,
                "maxLength": 1,
                "description": "one character, a comma by default",
            },
            "header": {"type": "boolean", "description": "whether the first line names the columns, true by default"},
        },
        "required": ["text"],
        "additionalProperties": False,
    }
    effect_class: EffectClass = "pure"

    def call(self, call: ToolCall) -> JSON:
        text = storable(argument(call, "text", str, "")).removeprefix("\ufeff")
        if len(text) > MOST_CHARACTERS or len(text.encode()) > MOST_CHARACTERS:
            raise ToolError("too_large", f"the text has more than {MOST_CHARACTERS} bytes")
        rows = _rows(text, argument(call, "delimiter", str, ","))
        if not argument(call, "header", bool, True):
            return [row for _, row in rows]
        return _named(rows)


def _rows(text: str, delimiter: str) -> list[tuple[int, list[str]]]:
    """(the number of the row's last line, its fields) of every row that is not empty."""
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ToolError("invalid_arguments", "the delimiter is one character, and neither a quote nor a line's end")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise ToolError("invalid_csv", f"line {reader.line_num}: {error}") from error


def _named(rows: list[tuple[int, list[str]]]) -> list[dict[str, str]]:
    if not rows:
        return []
    (_, names), *others = rows
    seen: set[str] = set()
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise ToolError("invalid_csv", f"column {number} has no name; header=false takes the rows as lists")
        if name in seen:
            raise ToolError("invalid_csv", f"two columns have the name {name[:80]!r}")
        seen.add(name)
    if len(others) * sum(map(len, names)) > MOST_NAMED_CHARACTERS:
        raise ToolError("too_large", "the names of the columns are too long for so many rows; use header=false")
    for line, row in others:
        if len(row) != len(names):
            raise ToolError("invalid_csv", f"line {line}: {len(row)} fields, where the header has {len(names)}")
    return [dict(zip(names, row, strict=True)) for _, row in others]

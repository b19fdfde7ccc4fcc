"""data.parse_csv"""

from typing import Any

import pytest

from agents import schemas
from agents.tools import ToolCall, ToolError, tool_of
from agents.tools.data import MOST_CHARACTERS


def parse(**arguments: Any) -> Any:
    def nothing_leaves() -> None:
        raise AssertionError("a pure tool reaches nobody")

    return tool_of("data.parse_csv").call(ToolCall(arguments, "key", 10, nothing_leaves))


def refusal(**arguments: Any) -> tuple[str, str]:
    with pytest.raises(ToolError) as error:
        parse(**arguments)
    assert (error.value.unknown, error.value.retryable) == (False, False)
    return error.value.code, error.value.message


@pytest.mark.parametrize(
    ("arguments", "rows"),
    [
        ({"text": "a,b\n1,2\n"}, [{"a": "1", "b": "2"}]),
        ({"text": "a,b\r\n1,2"}, [{"a": "1", "b": "2"}]),
        ({"text": "\ufeffa;b\n1;2,5", "delimiter": ";"}, [{"a": "1", "b": "2,5"}]),
        ({"text": 'a,b\n"x, ""y""\nz",2\n\n'}, [{"a": 'x, "y"\nz', "b": "2"}]),
        ({"text": "a,b\n1\n", "header": False}, [["a", "b"], ["1"]]),
        ({"text": "a,b"}, []),
        ({"text": ""}, []),
        ({"text": "a\n\x00"}, [{"a": "\ufffd"}]),
    ],
)
def test_text_becomes_rows(arguments: dict[str, Any], rows: list[Any]) -> None:
    schemas.check(arguments, tool_of("data.parse_csv").input_schema, "arguments")
    assert parse(**arguments) == rows


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ({"text": "a,b\n1,2\n1,2,3\n"}, "invalid_csv", "line 3: 3 fields, where the header has 2"),
        ({"text": "a,b\n1\n"}, "invalid_csv", "line 2: 1 fields, where the header has 2"),
        ({"text": "a,,c\n"}, "invalid_csv", "column 2 has no name"),
        ({"text": "a,b,a\n"}, "invalid_csv", "two columns have the name 'a'"),
        ({"text": 'a\n"x'}, "invalid_csv", "line 2: unexpected end of data"),
        ({"text": 'a\n"x"y'}, "invalid_csv", "line 2: "),
        ({"text": "a\n" + "x" * 200_000}, "invalid_csv", "line 2: field larger than field limit"),
        ({"text": "x" * (MOST_CHARACTERS + 1)}, "too_large", "more than 262144 bytes"),
        ({"text": "é" * MOST_CHARACTERS}, "too_large", "more than 262144 bytes"),
        ({"text": "x" * 100_000 + "\n" + "1\n" * 1000}, "too_large", "use header=false"),
        ({"text": "a", "delimiter": "ab"}, "invalid_arguments", "the delimiter is one character"),
        ({"text": "a", "delimiter": "\n"}, "invalid_arguments", "the delimiter is one character"),
        ({"text": 5}, "invalid_arguments", "text is not of the type str"),
        ({"text": None}, "invalid_arguments", "text is not of the type str"),
        ({"text": "a", "header": "no"}, "invalid_arguments", "header is not of the type bool"),
        ({"text": "a", "delimiter": ["\t"]}, "invalid_arguments", "delimiter is not of the type str"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(arguments: dict[str, Any], code: str, words: str) -> None:
    found_code, message = refusal(**arguments)
    assert (found_code, words in message) == (code, True), message

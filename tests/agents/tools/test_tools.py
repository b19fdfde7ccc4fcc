"""The built-in tools as a whole."""

import pytest

from agents import schemas
from agents.tools import TOOLS, tool_of


@pytest.mark.parametrize("name", TOOLS)
def test_every_tool_is_found_and_says_what_it_is(name: str) -> None:
    tool = tool_of(name)
    assert tool.name == name
    assert tool.description
    assert tool.effect_class in {"pure", "keyed", "unsafe"}
    assert schemas.problems(tool.input_schema, "input_schema") == []
    assert tool is tool_of(name)


def test_a_tool_that_is_none_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        tool_of("http.nothing")

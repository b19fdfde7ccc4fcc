import pytest

from agents.sandbox import Problem, compile_check, monty_problems


def test_good_code_has_no_problems() -> None:
    assert compile_check("async def run(input, tools):\n    return 1") == []


def test_a_syntax_error_has_line_and_column() -> None:
    assert compile_check("x = 1\ndef f(:\n") == [Problem("syntax_error", "invalid syntax", 2, 7)]


def test_code_without_a_handler() -> None:
    expected = "define handler(event) or async run(input, tools)"
    assert compile_check("def other(event):\n    return 1") == [Problem("no_handler", expected)]


@pytest.mark.parametrize("parameters", ["", "a, b, c", "a, *, needed", "*, event"])
def test_a_wrong_signature_has_its_place(parameters: str) -> None:
    message = f"handler({parameters}) must take (event) or (event, tools)"
    assert compile_check(f"\ndef handler({parameters}):\n    return 1") == [Problem("no_handler", message, 2, 1)]


def test_a_null_byte_is_no_syntax() -> None:
    assert [problem.code for problem in compile_check("x = '\0'")] == ["syntax_error"]


def test_a_handler_may_be_bound_otherwise() -> None:
    assert compile_check("from functools import partial\nhandler = partial(print)") == []


OUTSIDE = [
    ("class A(Exception):\n    pass\n", "does not yet support class inheritance", 1),
    ("def f():\n    yield 1\n", "does not yet support yield", 2),
    ("import numpy\n", "import numpy: is not in monty", 1),
    ("x = 1\nfrom os import fork\n", "from os import fork: ImportError", 2),
    ("x = globals()\n", "globals(): is not in monty", 1),
]


@pytest.mark.parametrize(("code", "message", "line"), OUTSIDE)
def test_it_says_what_is_outside_montys_subset(monty: None, code: str, message: str, line: int) -> None:
    [problem] = monty_problems(code + "def handler(event):\n    return 1\n")
    assert (problem.code, problem.line) == ("outside_subset", line)
    assert message in problem.message


def test_nothing_of_the_code_is_run(monty: None) -> None:
    assert monty_problems("while True: pass\ndef handler(event):\n    return 1\n") == []
    assert monty_problems("from __future__ import annotations\ndef handler(event):\n    return 1\n") == []

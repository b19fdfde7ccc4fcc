from tests.agents.sandbox.support import run

CODE = """def inner(x):
    return 1 / x

def handler(event):
    return inner(0)
"""

TRACEBACK = """Traceback (most recent call last):
  File "<agent>", line 5, in handler
    return inner(0)
  File "<agent>", line 2, in inner
    return 1 / x
ZeroDivisionError: division by zero
"""


def test_a_traceback_shows_the_agents_own_lines_only(runtime: str) -> None:
    error = run(CODE, runtime=runtime).error
    assert error is not None
    assert (error.message, error.line) == ("ZeroDivisionError: division by zero", 2)
    assert error.traceback == TRACEBACK


def test_it_is_the_same_in_async_code(cpython: None) -> None:
    error = run(CODE.replace("def handler", "async def handler")).error
    assert error is not None
    assert error.traceback == TRACEBACK


def test_frames_of_the_library_are_left_out(cpython: None) -> None:
    error = run("import json\ndef handler(event):\n    return json.loads('{')").error
    assert error is not None
    assert error.traceback.count("File ") == 1
    assert error.line == 3


def test_an_error_at_module_level_has_its_line(runtime: str) -> None:
    error = run("x = 1\ny = x + missing\ndef handler(event):\n    return 1\n", runtime=runtime).error
    assert error is not None
    assert (error.message, error.line) == ("NameError: name 'missing' is not defined", 2)


def test_a_syntax_error_has_its_place(runtime: str) -> None:
    error = run("def handler(event):\n    return (\n", runtime=runtime).error
    assert error is not None
    assert (error.message, error.line) == ("'(' was never closed (line 2, column 12)", 2)
    assert 'File "<agent>", line 2' in error.traceback


def test_endless_recursion_makes_a_short_traceback(runtime: str) -> None:
    error = run("def f(n):\n    return f(n + 1)\ndef handler(event):\n    return f(0)", runtime=runtime).error
    assert error is not None
    assert error.message.startswith("RecursionError: maximum recursion depth exceeded")
    assert len(error.traceback) < 1000


def test_a_message_without_end_is_cut(runtime: str) -> None:
    error = run("def handler(event):\n    raise ValueError('x' * 100000)", runtime=runtime).error
    assert error is not None
    assert len(error.message) == 2000

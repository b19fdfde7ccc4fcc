from typing import Any

import pytest

from tests.agents.sandbox.support import run

HANDLER = "def handler(event):\n    "

BREACHES: list[tuple[str, str, dict[str, Any]]] = [
    ("syntax_error", "def handler(event:\n", {}),
    ("no_handler", "x = 1\n", {}),
    ("no_handler", "def handler():\n    return 1\n", {}),
    ("no_handler", "def handler(a, b, c):\n    return 1\n", {}),
    ("code_error", HANDLER + "return 1 / 0", {}),
    ("not_json", HANDLER + "return {'results': [1, 2, 3, {4}]}", {}),
    ("not_finite", HANDLER + "return [1.0, float('nan')]", {}),
    ("not_finite", HANDLER + "return float('inf')", {}),
    ("output_too_large", HANDLER + "return 'x' * 2000", {"output_bytes": 1000}),
    ("stdout_too_large", HANDLER + "print('x' * 2000)", {"stdout_bytes": 1000}),
    ("time_limit", HANDLER + "import time\n    time.sleep(60)", {"wall_seconds": 0.3}),
    ("time_limit", HANDLER + "while True: pass", {"wall_seconds": 0.3}),
    ("cpu_limit", HANDLER + "while True: pass", {"cpu_seconds": 0.2}),
    ("memory_limit", HANDLER + "x = []\n    while True: x.append('x' * 10000)", {"memory_bytes": 32 << 20}),
    ("host_call_limit", HANDLER + "for i in range(6): log('x')", {"host_calls": 5}),
]


@pytest.mark.parametrize(("code", "source", "limits"), BREACHES)
def test_it_names_each_breach(runtime: str, code: str, source: str, limits: dict[str, Any]) -> None:
    outcome = run(source, runtime=runtime, **limits)
    assert outcome.error is not None
    assert (outcome.error.code, outcome.output, outcome.runtime) == (code, None, runtime)
    assert outcome.error.permanent


EXITS = [
    ("import sys\n    sys.exit(3)", "SystemExit: 3"),
    ("import os\n    os._exit(3)", "the code ended without a result: exit status 3"),
    ("import ctypes\n    ctypes.string_at(0)", "the code ended without a result: killed by SIGSEGV"),
    ("import os\n    os.abort()", "the code ended without a result: killed by SIG"),
]


@pytest.mark.parametrize(("line", "message"), EXITS)
def test_it_names_an_end_without_a_result(cpython: None, line: str, message: str) -> None:
    error = run(HANDLER + line).error
    assert error is not None
    assert error.code == "code_exited"
    assert error.message.startswith(message)


def test_it_says_where_a_value_is_no_json(runtime: str) -> None:
    error = run(HANDLER + "return {'results': [1, 2, 3, {4}]}", runtime=runtime).error
    assert error is not None
    assert error.message == "output.results[3]: set"


def test_it_says_where_a_number_is_not_finite(runtime: str) -> None:
    error = run(HANDLER + "return {'a': [0.5, -float('inf')]}", runtime=runtime).error
    assert error is not None
    assert error.message == "output.a[1]: -inf"


def test_it_refuses_a_value_that_contains_itself(cpython: None) -> None:
    error = run(HANDLER + "x = []\n    x.append(x)\n    return x").error
    assert error is not None
    assert error.code == "not_json"


def test_it_refuses_half_a_surrogate_pair(cpython: None) -> None:
    error = run(HANDLER + "return chr(0xD800)").error
    assert error is not None
    assert (error.code, error.message) == ("not_json", "output: text with half a surrogate pair")


def test_it_calls_an_unknown_runtime_unavailable() -> None:
    error = run(HANDLER + "return 1", runtime="perl").error
    assert error is not None
    assert (error.code, error.message) == ("runtime_unavailable", "no runtime is called 'perl'")


def test_it_reports_what_a_run_used(runtime: str) -> None:
    outcome = run(HANDLER + "return sum(range(300000))", runtime=runtime)
    assert outcome.output == 44999850000
    assert 0 < outcome.cpu_seconds < 5
    assert outcome.wall_seconds > 0
    assert outcome.peak_memory_bytes > 1 << 20

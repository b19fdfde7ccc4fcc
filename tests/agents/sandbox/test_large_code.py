"""Code whose mere parsing would stop this process: it is refused unread, and what is left is quick."""

import subprocess
import sys

import pytest

from agents.sandbox import compile_check, monty_problems
from agents.sandbox.source import MAX_CODE_BRACES, MAX_CODE_BYTES, MAX_CODE_WORDS, entry_point
from tests.agents.sandbox.support import PROJECT, run

HANDLER = "def handler(event):\n    return 1\n"
TOO_LARGE = [
    (HANDLER + "#" * MAX_CODE_BYTES, f"the code has more than {MAX_CODE_BYTES} bytes"),
    (HANDLER + "#" + "\u20ac" * (MAX_CODE_BYTES // 3), f"the code has more than {MAX_CODE_BYTES} bytes"),
    (HANDLER + "a\n" * 1_000_000, f"the code has more than {MAX_CODE_BYTES} bytes"),
    (HANDLER + "a\n" * MAX_CODE_WORDS, f"the code has more than {MAX_CODE_WORDS} words and signs"),
    (HANDLER + "#" + "{" * (MAX_CODE_BRACES + 1), f"the code has more than {MAX_CODE_BRACES} opening braces"),
]


@pytest.mark.parametrize(("code", "message"), TOO_LARGE)
def test_code_that_is_too_large_is_not_parsed(code: str, message: str) -> None:
    found = [*compile_check(code), *monty_problems(code), entry_point(code)]
    assert [(problem.code, problem.message) for problem in found] == [("code_too_large", message)] * 3  # type: ignore[union-attr]


def test_code_that_is_too_large_is_not_run(runtime: str) -> None:
    error = run(HANDLER + "#" * MAX_CODE_BYTES, runtime=runtime).error
    assert error is not None
    assert (error.code, error.message) == ("code_too_large", f"the code has more than {MAX_CODE_BYTES} bytes")
    assert error.permanent


def test_large_code_of_an_ordinary_kind_is_checked_and_run(runtime: str) -> None:
    line = "    total = total + len(words[index % 7]) * 3 - offset  # as the table has it\n"
    code = (
        "def handler(event):\n    words, index, offset, total = ['ab'] * 7, 3, 1, 0\n"
        + line * 1300
        + "    return total\n"
    )
    assert len(code) > 90_000
    assert run(code, runtime=runtime).output == 1300 * 5


WORST = {
    "statements": "'a\\n' * 39_900",
    "calls": "'a()\\n' * 13_300",
    "displays": "'[' + '[],' * 13_300 + ']'",
    "one f-string": "\"f'\" + ' ' * 110_000 + '{a}' * 3_990 + \"'\"",
    "spread f-string": "\"f'\" + ('{a}' + ' ' * 29) * 3_990 + \"'\"",
    "broken": "'(' + 'a,' * 19_900 + 'b c)'",
    "slices": "'a[' + ':,' * 19_900 + ']'",
}
MEASURE = """
import resource
from agents.sandbox import compile_check
code = {code}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
[problem] = compile_check(code)
assert problem.code != "code_too_large"
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown >> 10)
"""


@pytest.mark.parametrize("code", WORST.values(), ids=WORST.keys())
def test_the_worst_code_below_the_limits_takes_little_memory(code: str) -> None:
    source = MEASURE.format(code=code)
    result = subprocess.run([sys.executable, "-c", source], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert int(result.stdout) < 200


def test_the_message_of_a_wrong_signature_is_short() -> None:
    [problem] = compile_check("def handler(" + ", ".join(f"a{n}" for n in range(15_000)) + "): pass")
    assert problem.code == "no_handler"
    assert len(problem.message) < 2_100

"""What monty's interpreter hands over costs this process little, whatever a job's limits allow."""

import json
import subprocess
import sys

import pytest

from tests.agents.sandbox.support import PROJECT

# The peak is of the whole process, so each case has one of its own.
MEASURE = """
import json, sys
from agents.sandbox import Job, Limits
from agents.sandbox.engines import engines
def peak():
    return next(int(line.split()[1]) >> 10 for line in open("/proc/self/status") if line.startswith("VmHWM"))
def execute(code):
    job = Job("def handler(event):\\n    " + code, None, Limits(memory_bytes=1 << 30))
    return engines.execute("monty", job, lambda call: None, lambda: False)
execute("return 1")
before = peak()
outcome = execute(sys.argv[1])
print(json.dumps([outcome.error.code, outcome.error.message, peak() - before]))
engines.close()
"""


def _cost(code: str) -> tuple[str, str, int]:
    command = [sys.executable, "-c", MEASURE, code]
    result = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=60)
    error_code, message, grown = json.loads(result.stdout)
    return error_code, message, grown


@pytest.mark.parametrize("size", ["100_000_000", "30_000_000", "20_000_000"])
def test_an_exceptions_text_costs_the_caller_little(monty: None, size: str) -> None:
    code, _message, grown = _cost(f"raise ValueError('a' * {size})")
    assert code in ("memory_limit", "code_error")
    assert grown < 150


@pytest.mark.parametrize("value", ["'x' * 200_000_000", "[['x' * 1_000_000] * 500] * 4", "[[]] * 3_000_000"])
def test_a_calls_arguments_cost_the_caller_little(monty: None, value: str) -> None:
    code, message, grown = _cost(f"log({value})")
    assert code == "memory_limit" or "too_large: log: the arguments exceed 1048576 bytes as JSON" in message
    assert grown < 150

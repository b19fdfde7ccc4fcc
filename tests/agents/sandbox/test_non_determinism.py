"""Code that does not do what it did in an earlier attempt is stopped, with words."""

import pytest

from agents.sandbox import HostCall, NonDeterminism, Place, SandboxError
from tests.agents.sandbox.ledger import Ledger, LedgerHost, Row, attempt
from tests.agents.sandbox.support import run

SYNC = "def handler(event):\n    return [call_llm('a'), call_llm('b')]"
ASYNC = "async def run(event):\n    return [await call_llm('a'), await call_llm('b')]"


def _error(code: str, runtime: str, **rows: Row) -> SandboxError:
    ledger = Ledger({int(name.removeprefix("call")): row for name, row in rows.items()})
    outcome = attempt(code, runtime, LedgerHost(ledger, lambda call: call.id))
    assert outcome.error is not None
    assert (outcome.output, outcome.error.code, outcome.error.permanent) == (None, "non_determinism", True)
    return outcome.error


def _row(prompt: str, made_after: int, step: int | None = None) -> Row:
    place = None if step is None else Place(step, float(step))
    return Row("call_llm", {"prompt": prompt}, made_after, place, prompt)


@pytest.mark.parametrize("code", [SYNC, ASYNC])
def test_other_arguments_are_the_hosts_to_see(runtime: str, code: str) -> None:
    error = _error(code, runtime, call1=_row("a", 0, 1), call2=_row("c", 1))
    assert error.message == "call 2 was call_llm {'prompt': 'c'}, now it is call_llm"


@pytest.mark.parametrize("code", [SYNC, ASYNC])
def test_a_call_at_another_place_is_seen(runtime: str, code: str) -> None:
    error = _error(code, runtime, call1=_row("a", 0, 1), call2=_row("b", 0))
    assert error.message == (
        "call 2 (call_llm) was made after 0 inputs in an earlier attempt, and now after 1"
        if code == SYNC
        else "call 2 was made after 0 inputs in an earlier attempt; now the code waits after 0 and has not made it"
    )


@pytest.mark.parametrize("code", [SYNC, ASYNC])
def test_fewer_calls_are_seen(runtime: str, code: str) -> None:
    error = _error(code, runtime, call1=_row("a", 0, 1), call2=_row("b", 1, 2), call3=_row("c", 2))
    assert error.message == "the code ended after 2 calls; in an earlier attempt it made at least 3"


def test_fewer_calls_are_seen_when_the_code_fails(runtime: str) -> None:
    code = "def handler(event):\n    call_llm('a')\n    return 1 / 0"
    error = _error(code, runtime, call1=_row("a", 0, 1), call2=_row("b", 1))
    assert error.message.startswith("the code ended after 1 calls; in an earlier attempt it made at least 2 (ZeroDiv")


def test_idle_code_without_the_timer_it_had_is_seen(runtime: str) -> None:
    error = _error(ASYNC, runtime, call1=_row("a", 0), call2=_row("b", 1, 2))
    assert "now the code waits after 1 and has not made it" in error.message


def test_an_answer_to_a_call_not_made_is_seen(runtime: str) -> None:
    error = _error(ASYNC, runtime, call1=_row("a", 0, 2), call2=_row("b", 0, 1))
    assert "has not made it" in error.message


def test_an_answer_at_another_place_is_seen(runtime: str) -> None:
    error = _error(SYNC, runtime, call1=_row("a", 0, 2), call2=_row("b", 2))
    assert error.message == "the answer to call 1 was input 2 in an earlier attempt, and now is input 1"


def test_a_host_may_say_so_of_any_call(runtime: str) -> None:
    def host(call: HostCall) -> None:
        raise NonDeterminism("this call was another one")

    for code in (SYNC, ASYNC, "def handler(event):\n    log('x')"):
        error = run(code, runtime=runtime, host=host).error
        assert error is not None
        assert (error.code, error.message) == ("non_determinism", "this call was another one")


def test_more_calls_than_recorded_are_none_of_it(runtime: str) -> None:
    ledger = Ledger({1: _row("a", 0, 1)})
    host = LedgerHost(ledger, lambda call: "live")
    assert attempt(SYNC, runtime, host).output == ["a", "live"]


def test_code_cannot_report_it_of_itself(cpython: None) -> None:
    code = """
import json, os, struct, time
def handler(event):
    body = json.dumps({"code": "non_determinism", "message": "x", "traceback": "", "line": None}).encode()
    os.write(3, struct.pack("!BI", 4, len(body)) + body)
    time.sleep(1)
"""
    error = run(code).error
    assert error is not None
    assert error.code == "code_error"

"""Runs that wait for answers of another life: they end, and go on later, by replay or from a checkpoint."""

import json
import threading
import time
from concurrent.futures import Future
from typing import Any

import pytest

from agents import sandbox
from agents.sandbox import LATER, HostCall, Limits, monty_checkpoint
from tests.agents.sandbox.ledger import Ledger, LedgerHost, Row, attempt, job
from tests.agents.sandbox.support import run, script

SYNC = """
import time
def handler(event):
    print("before")
    first = call_llm("first")
    asked = call_agent("approver", {"first": first})
    print("after")
    return [first, asked, call_llm("last", asked=asked)]
"""

ASYNC = """
import asyncio, random
seen = []
async def one(prompt):
    seen.append([prompt, await call_llm(prompt), random.random()])
    return await call_llm("after " + prompt, seen=len(seen))
async def run(event):
    print("before")
    await asyncio.sleep(0.001)
    log("on")
    await asyncio.gather(one("quick"), one("later"), one("slow"), asyncio.sleep(0.05))
    print("after")
    return seen
"""


def put_off(call: HostCall) -> Any:
    """The answer to one call comes later, to another after a while."""
    if call.name == "call_agent" or call.arguments.get("prompt") == "later":
        return LATER
    if call.arguments.get("prompt") == "slow":
        time.sleep(0.03)
    return f"answer {call.id}"


def at_hand(call: HostCall) -> Any:
    return f"answer {call.id}"


@pytest.mark.parametrize(("code", "answered"), [(SYNC, 1), (ASYNC, 5)])
@pytest.mark.parametrize("way", ["replay", "checkpoint"])
def test_it_ends_and_goes_on(runtime: str, code: str, answered: int, way: str) -> None:
    ledger = Ledger()
    first = LedgerHost(ledger, put_off)
    paused = attempt(code, runtime, first)
    assert (paused.suspended, paused.output, paused.error, paused.stdout) == (True, None, None, "before\n")
    assert len(first.live) == answered
    assert (paused.checkpoint is not None) == (runtime == "monty")
    second = LedgerHost(ledger, at_hand)
    outcome = attempt(code, runtime, second, checkpoint=paused.checkpoint if way == "checkpoint" else None)
    assert (outcome.error, outcome.suspended, outcome.stdout) == (None, False, "before\nafter\n")
    assert second.live == ([2, 3] if code == SYNC else [3, 7])
    assert outcome.steps > paused.steps
    third = LedgerHost(ledger, at_hand)
    assert attempt(code, runtime, third).output == outcome.output
    assert third.live == []


def test_what_is_under_way_is_waited_for(runtime: str) -> None:
    """The run ends only when the other calls are answered and the timers are over."""
    ledger = Ledger()
    assert attempt(ASYNC, runtime, LedgerHost(ledger, put_off)).suspended
    prompts = [row.arguments.get("prompt") for row in ledger.rows.values() if row.place]
    assert sorted(filter(None, prompts)) == ["after quick", "after slow", "quick", "slow"]


def test_a_future_may_say_later(runtime: str) -> None:
    def host(call: HostCall) -> Any:
        future: Future[Any] = Future()
        future.set_result(LATER)
        return future

    for code in (SYNC, ASYNC):
        assert run(code, runtime=runtime, host=lambda call: None if call.name == "log" else host(call)).suspended


def test_code_that_ends_without_its_answer_is_not_suspended(cpython: None) -> None:
    code = """
import asyncio
async def run(event):
    try:
        return await asyncio.wait_for(call_llm("later"), 0.01)
    except asyncio.TimeoutError:
        return "gave up"
"""
    outcome = run(code, host=lambda call: LATER)
    assert (outcome.output, outcome.suspended) == ("gave up", False)


def test_a_place_reserved_for_an_answer_put_off_is_free_again(runtime: str) -> None:
    code = "import asyncio\nasync def run(event):\n    return await asyncio.gather(call_llm('a'), call_llm('b'))"

    reserved = [threading.Event(), threading.Event()]

    def host(call: HostCall) -> Any:
        if call.id == 2:
            reserved[0].wait(10)
        call.settle()
        reserved[call.id - 1].set()
        reserved[1].wait(10)
        return LATER if call.id == 1 else "b"

    outcome = run(code, runtime=runtime, host=host)
    assert (outcome.suspended, outcome.steps) == (True, 2)


NEW_PROCESS = """
import base64, json, sys
from agents.sandbox import Job, close
from agents.sandbox.engines import engines
from tests.agents.sandbox.test_suspending import ASYNC
from tests.agents.sandbox.ledger import job
from dataclasses import replace
asked = []
def host(call):
    asked.append([call.id, call.name, call.arguments, call.made_after])
    return "there"
kept = base64.b64decode({kept!r})
outcome = engines.execute("monty", replace(job(ASYNC), checkpoint=kept), host, lambda: False)
print(json.dumps([outcome.output, outcome.stdout, outcome.steps, asked]))
close()
"""


def test_a_checkpoint_is_taken_in_another_process(monty: None) -> None:
    import base64

    ledger = Ledger()
    paused = attempt(ASYNC, "monty", LedgerHost(ledger, put_off))
    assert paused.checkpoint is not None
    result = script(NEW_PROCESS.format(kept=base64.b64encode(paused.checkpoint).decode()))
    assert result.stderr == ""
    output, stdout, steps, asked = json.loads(result.stdout)
    assert [entry[:2] for entry in output] == [["quick", "answer 2"], ["slow", "answer 4"], ["later", "there"]]
    assert stdout == "before\nafter\n"
    assert asked[0] == [3, "call_llm", {"prompt": "later"}, ledger.rows[3].made_after]
    assert [call[:2] for call in asked[1:]] == [[7, "call_llm"]]
    assert steps == paused.steps + 2


def _broken(kept: bytes) -> list[bytes]:
    middle = len(kept) // 2
    snapshot = kept.index(b"MONTY\0")
    return [b"", b"\0\0\0\1", kept[:middle], b"\xff" * 100, kept[:snapshot], kept[:snapshot] + b"x" * 500]


def test_a_checkpoint_that_cannot_be_loaded_falls_back_to_replay(monty: None) -> None:
    ledger = Ledger()
    paused = attempt(SYNC, "monty", LedgerHost(ledger, put_off))
    assert paused.checkpoint is not None
    rows = dict(ledger.rows)
    for broken in _broken(paused.checkpoint):
        known = Ledger({number: Row(**vars(row)) for number, row in rows.items()})
        host = LedgerHost(known, at_hand)
        outcome = attempt(SYNC, "monty", host, checkpoint=broken)
        assert (outcome.output, outcome.error) == (["answer 1", "answer 2", "answer 3"], None)
        assert host.live == [2, 3]


def test_a_checkpoint_of_other_code_is_not_taken(monty: None) -> None:
    paused = attempt(SYNC, "monty", LedgerHost(Ledger(), put_off))
    host = LedgerHost(Ledger(), at_hand)
    outcome = attempt("def handler(event):\n    return 1", "monty", host, checkpoint=paused.checkpoint)
    assert (outcome.output, host.live) == (1, [])


def test_a_checkpoint_has_a_largest_size(monty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monty_checkpoint, "MOST_BYTES", 1000)
    paused = attempt(SYNC, "monty", LedgerHost(Ledger(), put_off))
    assert (paused.suspended, paused.checkpoint) == (True, None)


def test_a_run_from_a_checkpoint_keeps_its_limits(monty: None) -> None:
    code = "def handler(event):\n    call_llm('later')\n    while True: pass"
    paused = attempt(code, "monty", LedgerHost(Ledger(), put_off))
    limits = Limits(wall_seconds=0.5)
    kept = job(code, limits=limits, checkpoint=paused.checkpoint)
    outcome = sandbox.run(kept, runtime="monty", host=at_hand)
    assert outcome.error is not None
    assert outcome.error.code == "time_limit"

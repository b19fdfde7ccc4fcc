"""Random async programs, killed again and again: every attempt takes the course that the ledger tells of."""

import random
import time
from concurrent.futures import Future
from typing import Any

import pytest

from agents.sandbox import HostCall
from tests.agents.sandbox.ledger import DEATHS, Ledger, LedgerHost, attempt, attempt_until_death

# What the code asks depends on all that happened to it before, so another order shows in its arguments.
PROGRAM = """
import asyncio, random, time
trace = []
async def work(plan, path):
    for number, part in enumerate(plan):
        here = path + "." + str(number)
        kind = part[0]
        if kind == "call":
            value = await call_llm(here, seen=len(trace), before=trace[-1:], at=time.time(), chance=random.random())
            trace.append([here, value])
        elif kind == "sleep":
            await asyncio.sleep(part[1])
            trace.append([here, time.time()])
        elif kind == "log":
            log(here, seen=len(trace))
        elif kind == "all":
            await asyncio.gather(*[work(inner, here + "/" + str(i)) for i, inner in enumerate(part[1])])
        else:
            await special(part, here)
    return path
{special}
async def run(event):
    await work(event, "")
    return trace + [time.time()]
"""
PLAIN = "async def special(part, here):\n    pass"
FULL = """
async def special(part, here):
    if part[0] == "within":
        try:
            await asyncio.wait_for(work(part[2], here + "?"), part[1])
        except asyncio.TimeoutError:
            trace.append([here, "timed out"])
    else:
        tasks = [asyncio.create_task(work(inner, here + "+" + str(i))) for i, inner in enumerate(part[1])]
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        trace.append([here, sorted(task.result() for task in done)])
        for task in waiting:
            task.cancel()
"""
SIMPLE = ["call", "call", "call", "sleep", "log"]


def plan(chance: random.Random, depth: int, kinds: list[str]) -> list[Any]:
    """A random program: calls, sleeps, logs, and at some depth several of these at once."""
    parts: list[Any] = []
    for _number in range(chance.randint(1, 3)):
        kind = chance.choice(SIMPLE + (kinds if depth else []))
        if kind == "sleep":
            parts.append([kind, chance.choice([0, 0.001, 0.004, 0.02])])
        elif kind == "within":
            parts.append([kind, chance.choice([0.001, 0.005, 0.02]), plan(chance, depth - 1, kinds)])
        elif kind in ("all", "first"):
            parts.append([kind, [plan(chance, depth - 1, kinds) for _inner in range(chance.randint(2, 4))]])
        else:
            parts.append([kind])
    return parts


class Waiting(LedgerHost):
    """Has no answers but the ledger's."""

    def __call__(self, call: HostCall) -> Any:
        row = self.ledger.rows.get(call.id)  # none of a call made at the end, which no thread came to record
        return Future() if row is None or row.place is None else super().__call__(call)


@pytest.mark.parametrize("seed", range(20))
def test_any_program_takes_its_course_again(runtime: str, seed: int) -> None:
    chance = random.Random(seed)
    kinds = ["all", "within", "first"] if runtime == "cpython" else ["all"]
    code = PROGRAM.format(special=FULL if runtime == "cpython" else PLAIN)
    event = [["all", [plan(chance, 2, kinds) for _number in range(3)]]]
    delays = random.Random(seed)

    def answer(call: HostCall) -> Any:
        if call.name != "log":
            time.sleep(delays.choice([0, 0, 0.002, 0.006, 0.015]))
        return delays.random()

    ledger = Ledger()
    outcome = None
    while outcome is None:
        host = LedgerHost(ledger, answer, chance.randint(1, 6), chance.choice(DEATHS))
        before = ledger.calls
        outcome = attempt_until_death(code, runtime, host, event)
        assert {number: ledger.calls[number] for number in before} == before
    assert outcome.error is None, outcome.error
    # Calls of cancelled tasks may be without an answer; they get none this time either.
    again = Waiting(ledger, answer)
    repeated = attempt(code, runtime, again, event)
    assert (repeated.error, repeated.output, repeated.steps) == (None, outcome.output, outcome.steps)
    assert again.live == []

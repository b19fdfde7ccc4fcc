"""A run that died half-way is driven through the same course again."""

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from agents.sandbox import HostCall, HostCallError, Limits, Place
from tests.agents.sandbox.ledger import DEATHS, Death, Ledger, LedgerHost, Row, attempt, attempt_until_death
from tests.agents.sandbox.support import run

SYNC = """
import random, time
def handler(event):
    seen = [time.time()]
    for number in range(4):
        log("round", number=number)
        seen.append([call_llm("p", number=number, chance=random.random()), time.time(), random.random()])
        time.sleep(0.01)
    return seen
"""

GATHER = """
import asyncio, time
async def one(number):
    first = await call_llm("first", number=number)
    log("got", first=first)
    second = await call_agent("second", [number, first, time.time()])
    return [first, second, time.time()]
async def run(event):
    return await asyncio.gather(one(1), one(2), one(3), call_llm("alone"))
"""

TIMERS = """
import asyncio, time
seen = []
async def beat(seconds):
    for number in range(3):
        await asyncio.sleep(seconds)
        seen.append(["beat", seconds, number])
        await call_llm("beat", seen=len(seen), at=time.time())
async def work():
    for number in range(3):
        seen.append(["work", await call_llm("work", seen=len(seen), at=time.time())])
async def run(event):
    await asyncio.gather(beat(0.011), work(), beat(0.02))
    return seen + [time.time()]
"""

TIMEOUTS = """
import asyncio, time, uuid
async def patient(number, seconds):
    try:
        return await asyncio.wait_for(call_llm("slow", number=number, id=str(uuid.uuid4())), seconds)
    except asyncio.TimeoutError:
        return await call_llm("late", number=number, at=time.time())
async def run(event):
    tasks = [asyncio.create_task(patient(number, 0.02 * number)) for number in range(1, 6)]
    done = [await call_llm("first")]
    for task in asyncio.as_completed(tasks):
        done.append(await call_llm("next", got=await task))
    async with asyncio.timeout(30):
        done.append(await call_llm("last", done=len(done)))
    return done + [loop_time(), time.monotonic()]
def loop_time():
    return asyncio.get_running_loop().time()
"""

FOR_BOTH = [SYNC, GATHER, TIMERS]
PROGRAMS = [("cpython", code) for code in [*FOR_BOTH, TIMEOUTS]] + [("monty", code) for code in FOR_BOTH]


def answerer() -> Callable[[HostCall], Any]:
    """Answers that differ from attempt to attempt, and come in another order than they were asked for."""

    def answer(call: HostCall) -> Any:
        if call.name != "log":
            time.sleep(0.012 * (call.id * 7 % 5))
        return f"{call.id} at {time.time_ns()}"

    return answer


@pytest.mark.parametrize(("name", "code"), PROGRAMS)
@pytest.mark.parametrize("death", DEATHS)
def test_it_takes_the_same_course_after_each_death(
    name: str, code: str, death: Death, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue(name)
    ledger = Ledger()
    outcome = None
    for dies_after in (3, 2, 3, 0):
        before = ledger.calls
        outcome = attempt_until_death(code, name, LedgerHost(ledger, answerer(), dies_after, death))
        assert {number: ledger.calls[number] for number in before} == before
    assert outcome is not None
    assert outcome.error is None, outcome.error
    again = LedgerHost(ledger, answerer())
    repeated = attempt(code, name, again)
    assert (repeated.error, repeated.output, repeated.stdout) == (None, outcome.output, outcome.stdout)
    assert (repeated.steps, again.live) == (outcome.steps, [])


def test_answers_come_in_the_order_of_the_first_attempt(runtime: str) -> None:
    first_over = threading.Event()
    code = """
import asyncio
order = []
async def one(name):
    order.append([name, await call_llm(name)])
async def run(event):
    await asyncio.gather(one("a"), one("b"), one("c"))
    return order + [await call_llm("d")]
"""

    def backwards(call: HostCall) -> Any:
        time.sleep(0.1 * (3 - call.id) if call.id < 4 else 0)
        if call.id == 4:
            first_over.set()
        return call.id

    ledger = Ledger()
    assert attempt_until_death(code, runtime, LedgerHost(ledger, backwards, 3)) is None
    assert [row.place.step for row in ledger.rows.values() if row.place] == [3, 2, 1]
    host = LedgerHost(ledger, lambda call: call.id)
    outcome = attempt(code, runtime, host)
    assert outcome.output == [["c", 3], ["b", 2], ["a", 1], 4]
    assert (host.live, outcome.steps) == ([4], 4)


def test_a_place_reserved_and_never_filled_is_free_again(runtime: str) -> None:
    """One call has its place, but not its answer, when the process dies; a later one has both."""
    settled, stored = threading.Event(), threading.Event()
    code = """
import asyncio
async def run(event):
    return await asyncio.gather(call_llm("a"), call_llm("b"))
"""
    ledger = Ledger()
    host = LedgerHost(ledger, lambda call: call.id)

    def dying(call: HostCall) -> Any:
        if call.id == 1:
            with host.lock:
                host(HostCall(1, call.name, call.arguments, call.made_after, call.settle))
                ledger.rows[1].place = None
            settled.set()
            stored.wait(10)
            raise host_died
        settled.wait(10)
        value = host(call)
        stored.set()
        return value

    host_died = KeyError("died")
    with pytest.raises(KeyError):
        run(code, runtime=runtime, host=dying)
    assert [row.place and row.place.step for row in ledger.rows.values()] == [None, 2]
    again = LedgerHost(ledger, lambda call: call.id)
    outcome = attempt(code, runtime, again)
    assert (outcome.output, outcome.error, again.live) == ([1, 2], None, [1])
    assert sorted(row.place.step for row in ledger.rows.values() if row.place) == [1, 2]


def test_a_refusal_is_replayed_as_a_refusal(runtime: str) -> None:
    code = """
def handler(event):
    try:
        call_llm("a")
    except HostCallError as error:
        return [str(error), call_llm("b")]
"""
    ledger = Ledger()

    class Refusing(LedgerHost):
        def __call__(self, call: HostCall) -> Any:
            value = super().__call__(call)
            if value == "refused":
                raise HostCallError("budget", "nothing is left")
            return value

    def answer(call: HostCall) -> Any:
        return "refused" if call.id == 1 else call.id

    assert attempt_until_death(code, runtime, Refusing(ledger, answer, 2)) is None
    host = Refusing(ledger, answer)
    outcome = attempt(code, runtime, host)
    assert (outcome.output, host.live) == (["budget: nothing is left", 2], [])


@pytest.mark.parametrize("code", FOR_BOTH)
def test_log_need_not_be_recorded(runtime: str, code: str) -> None:
    ledger = Ledger()
    outcome = attempt(code, runtime, LedgerHost(ledger, answerer()))
    ledger.rows = {number: row for number, row in ledger.rows.items() if row.name != "log"}
    repeated = attempt(code, runtime, LedgerHost(ledger, lambda call: None))
    assert outcome.error is None
    assert (repeated.output, repeated.error, repeated.steps) == (outcome.output, None, outcome.steps)


def test_replayed_time_is_not_waited_for(runtime: str) -> None:
    """Sleeps of an hour lie before a recorded call: within its limits the run gets past them only by not sleeping."""
    code = """
import asyncio, time
async def run(event):
    started = time.time()
    time.sleep(3600)
    await asyncio.sleep(3600)
    first = await asyncio.gather(asyncio.sleep(3600), call_llm("a"))
    second = await asyncio.gather(asyncio.sleep(3600), call_llm("b"))
    return [first[1], second[1], round(time.time() - started)]
"""
    ledger = Ledger()
    host = LedgerHost(ledger, lambda call: call.id)
    host(HostCall(1, "call_llm", {"prompt": "a"}, 0, lambda: Place(1, 7200.5)))
    host(HostCall(2, "call_llm", {"prompt": "b"}, 1, lambda: Place(3, 14401.0)))  # input 2 was the tick
    outcome = attempt(code, runtime, LedgerHost(ledger, lambda call: "live"))
    assert (outcome.output, outcome.error, outcome.steps) == ([1, 2, 14401], None, 3)


def test_a_replayed_tick_is_not_waited_for(runtime: str) -> None:
    """An earlier attempt got past a timer of an hour, as a call made after it tells; no answer was given."""
    code = """
import asyncio
async def later():
    await asyncio.sleep(3600)
    return await call_llm("b")
async def run(event):
    return await asyncio.gather(call_llm("a"), later())
"""
    ledger = Ledger({1: Row("call_llm", {"prompt": "a"}, 0), 2: Row("call_llm", {"prompt": "b"}, 1)})
    second_made = threading.Event()

    def answer(call: HostCall) -> Any:
        if call.id == 2:
            second_made.set()
        return second_made.wait(20) and call.id

    outcome = attempt(code, runtime, LedgerHost(ledger, answer), limits=Limits(wall_seconds=15.0))
    second_made.set()
    assert (outcome.output, outcome.error, outcome.steps) == ([1, 2], None, 3)


def test_hosts_without_a_ledger_need_not_settle(runtime: str) -> None:
    outcome = run(GATHER, runtime=runtime, host=lambda call: call.id)
    assert outcome.error is None
    assert outcome.steps == 7

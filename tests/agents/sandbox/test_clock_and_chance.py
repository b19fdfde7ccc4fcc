import time

import pytest

from agents import sandbox
from agents.sandbox import Job
from tests.agents.sandbox.ledger import Ledger, LedgerHost, attempt
from tests.agents.sandbox.support import echo, run

CLOCK = """
import time, datetime
{more}
def handler(event):
    return [time.time(), datetime.datetime.now().isoformat()[:16], datetime.date.today().isoformat()]
"""


def test_the_clock_starts_at_the_jobs_instant(runtime: str) -> None:
    seconds, moment, day = run(CLOCK.format(more=""), runtime=runtime).output
    assert 1_000_000_000 <= seconds < 1_000_000_005
    assert (moment, day) == ("2001-09-09T01:46", "2001-09-09")


def test_the_clock_runs_on(runtime: str) -> None:
    code = "import time\ndef handler(event):\n    t = time.time()\n    time.sleep(0.1)\n    return time.time() - t"
    assert 0.09 < run(code, runtime=runtime).output < 5


ALIKE = [
    "isinstance(datetime.datetime.now(), datetime.date)",
    "issubclass(datetime.datetime, datetime.date)",
    "datetime.datetime.strptime('2020-01-02', '%Y-%m-%d') == datetime.datetime(2020, 1, 2)",
    "type(datetime.datetime.now() - datetime.timedelta(1)) is datetime.datetime",
    "repr(datetime.datetime(2020, 1, 2)) == 'datetime.datetime(2020, 1, 2, 0, 0)'",
    "pickle.loads(pickle.dumps(datetime.datetime(2020, 1, 2))) == datetime.datetime(2020, 1, 2)",
    "datetime.datetime.now(datetime.timezone.utc).tzinfo is datetime.timezone.utc",
    "time.strftime('%Y') == '2001' and time.gmtime().tm_year == 2001 and time.ctime().endswith('2001')",
    "not isinstance(datetime.date(2020, 1, 1), datetime.datetime)",
]


@pytest.mark.parametrize("expression", ALIKE)
def test_its_dates_behave_like_dates(cpython: None, expression: str) -> None:
    code = f"import datetime, pickle, time\ndef handler(event):\n    return {expression}"
    assert run(code).output is True


def test_chance_is_seeded(runtime: str) -> None:
    code = "import random\ndef handler(event):\n    return [random.random(), random.randint(1, 10**9)]"
    first, second = run(code, runtime=runtime), run(code, runtime=runtime)
    assert first.output == second.output == [0.32383276483316237, 161973070]


def test_the_order_of_sets_is_fixed(cpython: None) -> None:
    code = "def handler(event):\n    return [list({'a', 'b', 'c', 'd'}), hash('x')]"
    assert run(code).output == run(code).output


MOMENTS = """
import asyncio, datetime, time
async def run(event):
    loop = asyncio.get_running_loop()
    readings = [time.time(), time.monotonic(), loop.time(), datetime.datetime.now().isoformat(), time.time_ns()]
    await call_llm("a")
    await asyncio.sleep(0.01)
    return readings + [time.time(), datetime.datetime.now(datetime.timezone.utc).isoformat(), time.monotonic()]
"""
DRAWS = """
import os, random, secrets, uuid
def handler(event):
    drawn = [str(uuid.uuid4()), str(uuid.uuid1()), secrets.token_hex(8), random.SystemRandom().random()]
    drawn += [random.Random().random(), os.urandom(100).hex(), os.getrandom(3).hex(), random.randbytes(4).hex()]
    random.seed()
    return drawn + [random.random()]
"""


@pytest.mark.parametrize("code", [MOMENTS, DRAWS])
def test_clock_and_chance_are_the_same_in_every_attempt(cpython: None, code: str) -> None:
    ledger = Ledger()
    first = attempt(code, "cpython", LedgerHost(ledger, lambda call: time.sleep(0.02)))
    second = attempt(code, "cpython", LedgerHost(ledger, lambda call: None))
    assert first.error is None
    assert first.output == second.output
    assert len(set(map(str, first.output))) == len(first.output)


def test_montys_clock_and_chance_are_the_same_in_every_attempt(monty: None) -> None:
    code = MOMENTS.replace("loop = asyncio.get_running_loop()", "import os").replace(
        "loop.time()", "os.urandom(70)[60:]"
    )
    code = code.replace("return readings +", "return [str(reading) for reading in readings] +")
    ledger = Ledger()
    first = attempt(code, "monty", LedgerHost(ledger, lambda call: time.sleep(0.02)))
    second = attempt(code, "monty", LedgerHost(ledger, lambda call: None))
    assert first.error is None
    assert first.output == second.output


def test_another_seed_draws_otherwise(cpython: None) -> None:
    code = "import uuid\ndef handler(event):\n    return str(uuid.uuid4())"
    drawn = {sandbox.run(Job(code, None, seed=seed), runtime="cpython", host=echo).output for seed in (1, 2)}
    assert len(drawn) == 2


def test_a_reading_moves_the_clock_by_a_microsecond(runtime: str) -> None:
    code = "import time\ndef handler(event):\n    first = time.time()\n    return round((time.time() - first) * 1e6)"
    assert sandbox.run(Job(code, None), runtime=runtime, host=echo).output == 1  # type: ignore[arg-type]


def test_an_answer_moves_the_clock_to_its_instant(runtime: str) -> None:
    """A run that has waited for two hours sees the present, once it is answered."""
    code = "import time\ndef handler(event):\n    call_llm('x')\n    return time.time()"
    begun = time.time() - 7200
    outcome = sandbox.run(Job(code, None, now=begun), runtime=runtime, host=echo)  # type: ignore[arg-type]
    assert begun + 7200 <= outcome.output <= time.time()


def test_time_that_a_run_has_waited_fires_no_timer_of_its_code(cpython: None) -> None:
    code = """
import asyncio
async def one(number):
    async with asyncio.timeout(300):
        return await call_llm("x", number=number)
async def run(event):
    return await asyncio.gather(*[one(number) for number in range(5)])
"""
    job = Job(code, None, now=time.time() - 7200)
    assert sandbox.run(job, runtime="cpython", host=lambda call: call.id).output == [1, 2, 3, 4, 5]


def test_sync_code_may_have_an_event_loop_of_its_own(cpython: None) -> None:
    code = """
import asyncio, time
def handler(event):
    async def wait():
        started = time.time()
        await asyncio.sleep(0.05)
        return time.time() - started
    return asyncio.run(wait())
"""
    assert 0.05 <= run(code).output < 0.06

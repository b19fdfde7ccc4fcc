import pytest

from tests.agents.sandbox.support import run

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

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from agents import sandbox
from agents.sandbox import LATER, HostCall, Job, NoSlot, Pool
from tests.agents.sandbox.support import run

CODE = """
def handler(event):
    reply = call_llm(event["secret"])
    print(event["secret"])
    return [event["secret"], reply]
"""


def test_thirty_runs_at_once_keep_apart(runtime: str) -> None:
    def one(number: int) -> bool:
        secret = f"secret-{number}"
        outcome = run(CODE, {"secret": secret}, runtime=runtime, host=lambda call: call.arguments["prompt"])
        return outcome.output == [secret, secret] and outcome.stdout == f"{secret}\n"

    with ThreadPoolExecutor(30) as threads:
        assert list(threads.map(one, range(30))) == [True] * 30


def test_runs_beyond_the_pools_size_wait(cpython: None) -> None:
    running: list[int] = []
    most: list[int] = []

    def host(call: HostCall) -> None:
        running.append(call.id)
        most.append(len(running))
        running.pop()

    pool = Pool(children=2)
    job = Job("def handler(event):\n    call_llm('x')\n    return 1", None)
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(lambda _: pool.run(job, runtime="cpython", host=host), range(12)))
    assert [outcome.output for outcome in outcomes] == [1] * 12
    assert max(most) <= 2


def test_a_caller_need_not_wait_for_a_place(cpython: None) -> None:
    pool = Pool(children=1)
    begun, going = threading.Event(), threading.Event()
    job = Job("def handler(event):\n    return call_llm('x')", None)

    def host(call: HostCall) -> int:
        begun.set()
        going.wait(10)
        return call.id

    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(pool.run, job, runtime="cpython", host=host, wait_for_slot=False)
        begun.wait(10)
        with pytest.raises(NoSlot):
            pool.run(job, runtime="cpython", host=host, wait_for_slot=False)
        going.set()
        assert first.result().output == 1
    assert pool.run(job, runtime="cpython", host=host, wait_for_slot=False).output == 1


def test_a_suspended_run_gives_its_place_back(cpython: None) -> None:
    pool = Pool(children=1)
    job = Job("def handler(event):\n    return call_llm('x')", None)
    for _run in range(3):
        assert pool.run(job, runtime="cpython", host=lambda call: LATER, wait_for_slot=False).suspended


def test_a_waiting_run_can_be_cancelled(cpython: None) -> None:
    pool = Pool(children=1)
    slow = Job("import time\ndef handler(event):\n    time.sleep(1)", None)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(pool.run, slow, runtime="cpython", host=lambda call: None)
        second = pool.run(slow, runtime="cpython", host=lambda call: None, cancelled=lambda: not first.done())
        assert first.result().error is None
    assert second.error is None or second.error.code == "cancelled"
    assert sandbox.status()["cpython"].available

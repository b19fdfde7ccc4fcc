import threading
import time

import pytest

from agents import sandbox
from agents.sandbox import Job
from tests.agents.sandbox.support import wait_until

BUSY = ["while True: pass", "import time\n    time.sleep(60)"]


@pytest.mark.parametrize("line", BUSY)
def test_cancelling_ends_a_run_within_a_second(runtime: str, line: str) -> None:
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    job = Job(f"def handler(event):\n    print('on')\n    {line}", None)
    started = time.monotonic()
    outcome = sandbox.run(job, runtime=runtime, host=lambda call: None, cancelled=cancelled)  # type: ignore[arg-type]
    assert outcome.error is not None
    assert (outcome.error.code, outcome.stdout) == ("cancelled", "on\n")
    assert time.monotonic() - started < 1.2


def test_cancelling_ends_a_run_that_awaits_the_host(runtime: str) -> None:
    going, cancelled = threading.Event(), threading.Event()
    job = Job("async def run(event, tools):\n    return await call_llm('x')", None)

    def host(call: sandbox.HostCall) -> None:
        cancelled.set()
        going.wait(10)

    outcome = sandbox.run(job, runtime=runtime, host=host, cancelled=cancelled)  # type: ignore[arg-type]
    going.set()
    assert outcome.error is not None
    assert outcome.error.code == "cancelled"


def test_cancelling_ends_a_run_whose_sync_code_waits_for_the_host(runtime: str) -> None:
    going, cancelled = threading.Event(), threading.Event()
    job = Job("def handler(event):\n    return call_llm('x')", None)

    def host(call: sandbox.HostCall) -> None:
        cancelled.set()
        going.wait(10)

    outcome = sandbox.run(job, runtime=runtime, host=host, cancelled=cancelled)  # type: ignore[arg-type]
    assert not going.is_set()
    going.set()
    assert outcome.error is not None
    assert outcome.error.code == "cancelled"


def test_the_wall_limit_strikes_while_sync_code_waits_for_the_host(runtime: str) -> None:
    going = threading.Event()
    job = Job("def handler(event):\n    return call_llm('x')", None, sandbox.Limits(wall_seconds=0.3))
    outcome = sandbox.run(job, runtime=runtime, host=lambda call: going.wait(10))  # type: ignore[arg-type]
    going.set()
    assert outcome.error is not None
    assert outcome.error.code == "time_limit"


def test_the_child_of_a_cancelled_run_is_gone(cpython: None) -> None:
    from agents.sandbox.engines import engines

    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    job = Job("def handler(event):\n    while True: pass", None)
    sandbox.run(job, runtime="cpython", host=lambda call: None, cancelled=cancelled)
    outer = engines.zygote.get().process.pid
    assert wait_until(lambda: not _children(_children(outer)[0]))


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as listing:
        return [int(word) for word in listing.read().split()]

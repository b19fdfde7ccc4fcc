"""Host calls that are under way when the code of their run has ended, one way or another."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from agents import sandbox
from agents.sandbox import LATER, HostCall, Job, Limits, NonDeterminism, NoSlot, Pool, pool
from tests.agents.sandbox.support import run, wait_until

NOBODY_AWAITS = "async def run(event):\n    [call_llm(str(number)) for number in range(event)]\n    {end}"
RETURNS = NOBODY_AWAITS.format(end="return 1")
FAILS = NOBODY_AWAITS.format(end="raise ValueError('no')")
GOES_ON = NOBODY_AWAITS.format(end="await call_llm('long')")
CALLED = "async def run(event):\n    return await call_llm('x')"
LONG = 30.0


class Attentive:
    """A host that works for long, and gives up where nobody waits for it any more."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.told: list[bool] = []

    def __call__(self, call: HostCall) -> None:
        self.begun.append(call.id)
        self.told.append(wait_until(call.abandoned, LONG))


class Deaf:
    """A host that works until it is let go, whatever it is told."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.going = threading.Event()

    def __call__(self, call: HostCall) -> None:
        self.begun.append(call.id)
        self.going.wait(LONG)


def threads() -> int:
    return sum(thread.name.startswith("sandbox-host-call") for thread in threading.enumerate())


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    """Nobody else's calls are under way, before and after."""
    assert wait_until(lambda: not threads())
    host = Deaf()
    yield host
    host.going.set()
    assert wait_until(lambda: not threads())


@pytest.mark.parametrize(("code", "error"), [(RETURNS, None), (FAILS, "code_error")])
def test_calls_that_nobody_awaits_are_answered_before_the_run_ends(runtime: str, code: str, error: str | None) -> None:
    answered: list[int] = []

    def host(call: HostCall) -> None:
        time.sleep(0.1)
        assert not call.abandoned()
        answered.append(call.id)

    outcome = run(code, 20, runtime=runtime, host=host)
    assert (outcome.error and outcome.error.code, sorted(answered)) == (error, list(range(1, 21)))


def test_what_the_host_raises_for_them_comes_out_of_run(runtime: str) -> None:
    def host(call: HostCall) -> None:
        time.sleep(0.1)
        raise ValueError("the lease is lost")

    with pytest.raises(ValueError, match="the lease is lost"):
        run(RETURNS, 2, runtime=runtime, host=host)


def test_a_change_that_the_host_finds_in_them_ends_the_run(runtime: str) -> None:
    def host(call: HostCall) -> None:
        time.sleep(0.1)
        raise NonDeterminism("another call than before")

    error = run(RETURNS, 2, runtime=runtime, host=host).error
    assert error is not None
    assert (error.code, error.message) == ("non_determinism", "another call than before")


def test_a_run_whose_unawaited_call_is_put_off_has_ended(runtime: str) -> None:
    def host(call: HostCall) -> Any:
        time.sleep(0.1)
        return LATER

    outcome = run(RETURNS, 1, runtime=runtime, host=host)
    assert (outcome.output, outcome.suspended) == (1, False)


def test_at_the_wall_limit_they_are_abandoned_and_the_output_stays(runtime: str) -> None:
    host = Attentive()
    outcome = run(RETURNS, 3, runtime=runtime, host=host, wall_seconds=0.5)
    assert (outcome.output, outcome.error, host.told) == (1, None, [True] * 3)


def test_a_run_that_is_cancelled_while_it_waits_for_them_keeps_its_output(runtime: str) -> None:
    host, cancelled = Attentive(), threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    outcome = sandbox.run(Job(RETURNS, 3), runtime=runtime, host=host, cancelled=cancelled)  # type: ignore[arg-type]
    assert (outcome.output, outcome.error, host.told) == (1, None, [True] * 3)


@pytest.mark.parametrize("code", [CALLED, CALLED.replace("async ", "").replace("await ", "")])
def test_a_long_call_of_a_cancelled_run_is_told_and_has_ended_with_it(runtime: str, code: str) -> None:
    host = Attentive()
    job = Job(code, None)
    outcome = sandbox.run(job, runtime=runtime, host=host, cancelled=lambda: bool(host.begun))  # type: ignore[arg-type]
    assert outcome.error is not None
    assert (outcome.error.code, host.told) == ("cancelled", [True])


@pytest.mark.parametrize(
    ("code", "limits", "error"),
    [
        (GOES_ON, {"host_calls": 2}, "host_call_limit"),
        (GOES_ON, {"wall_seconds": 0.5}, "time_limit"),
        (
            NOBODY_AWAITS.format(end="print('x' * 1000)\n    await call_llm('long')"),
            {"stdout_bytes": 10},
            "stdout_too_large",
        ),
    ],
)
def test_a_limit_abandons_the_calls(runtime: str, code: str, limits: dict[str, Any], error: str) -> None:
    host = Attentive()
    outcome = run(code, 2, runtime=runtime, host=host, **limits)
    assert outcome.error is not None
    assert outcome.error.code == error
    assert host.told
    assert all(host.told)


def test_the_death_of_the_child_abandons_the_calls(cpython: None) -> None:
    host = Attentive()
    outcome = run(NOBODY_AWAITS.format(end="import os; os._exit(3)"), 2, host=host, wall_seconds=4 * LONG)
    assert outcome.error is not None
    assert outcome.error.code == "code_exited"
    assert host.told == [True, True]


def test_what_the_host_raises_for_abandoned_calls_is_dropped(runtime: str) -> None:
    def host(call: HostCall) -> None:
        wait_until(call.abandoned, LONG)
        raise ValueError("too late")

    error = run(GOES_ON, 2, runtime=runtime, host=host, wall_seconds=0.5).error
    assert error is not None
    assert error.code == "time_limit"


def test_runs_that_abandon_calls_keep_their_places_and_so_bound_the_threads(
    runtime: str, deaf: Deaf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "_ABANDONED_SECONDS", 0.1)
    places = Pool(children=2)
    job = Job(RETURNS, 20, Limits(wall_seconds=0.3))
    ended = refused = 0
    for _ in range(6):
        try:
            ended += places.run(job, runtime=runtime, host=deaf, wait_for_slot=False).output  # type: ignore[arg-type]
        except NoSlot:
            refused += 1
    assert (ended, refused, threads()) == (2, 4, 32)
    deaf.going.set()
    assert wait_until(lambda: not threads())
    assert len(deaf.begun) == 32, "calls that had not begun are not begun"
    for _ in range(3):
        outcome = places.run(job, runtime=runtime, host=lambda call: None, wait_for_slot=False)  # type: ignore[arg-type]
        assert outcome.output == 1


def test_a_run_gives_its_place_back_once(cpython: None, deaf: Deaf, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time the semaphore would refuse, in a thread where nobody hears it: so the place is asked for."""
    monkeypatch.setattr(pool, "_ABANDONED_SECONDS", 0.1)
    places = Pool(children=1)
    places.run(Job(RETURNS, 2, Limits(wall_seconds=0.3)), runtime="cpython", host=deaf)
    with pytest.raises(NoSlot):
        places.run(Job(RETURNS, 0), runtime="cpython", host=deaf, wait_for_slot=False)
    deaf.going.set()
    assert places.run(Job(RETURNS, 0), runtime="cpython", host=deaf).output == 1


def test_a_host_call_knows_by_itself_that_nobody_abandoned_it() -> None:
    call = HostCall(1, "log", {})
    assert not call.abandoned()
    assert call == HostCall(1, "log", {}, abandoned=lambda: True)
    assert "abandoned" not in repr(call)

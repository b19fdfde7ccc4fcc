"""A ledger of host calls in memory, as a caller keeps one, and a host that dies when it is told to."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from agents import sandbox
from agents.sandbox import LATER, HostCall, Job, Limits, NonDeterminism, Outcome, Place, Recorded
from tests.agents.sandbox.support import TOOLS

Death = Literal["before the answer", "before storing", "after storing"]
DEATHS: tuple[Death, ...] = ("before the answer", "before storing", "after storing")


class Died(Exception):
    """The worker is gone."""


@dataclass
class Row:
    """A call and, once it is given, its answer and the answer's place."""

    name: str
    arguments: dict[str, Any]
    made_after: int
    place: Place | None = None
    value: Any = None


@dataclass
class Ledger:
    """What is known of a run's calls over all its attempts."""

    rows: dict[int, Row] = field(default_factory=dict)

    @property
    def replay(self) -> tuple[Recorded, ...]:
        return tuple(Recorded(number, row.made_after, row.place) for number, row in sorted(self.rows.items()))

    @property
    def calls(self) -> dict[int, tuple[str, dict[str, Any], int]]:
        return {number: (row.name, row.arguments, row.made_after) for number, row in self.rows.items()}


class LedgerHost:
    """Answers from the ledger, or by `answer`; the n-th live answer is the last one if it `dies_after` n."""

    def __init__(
        self, ledger: Ledger, answer: Callable[[HostCall], Any], dies_after: int = 0, death: Death = "after storing"
    ) -> None:
        self.ledger, self.answer, self.dies_after, self.death = ledger, answer, dies_after, death
        self.lock = threading.RLock()
        self.live: list[int] = []
        self.dead = False

    def __call__(self, call: HostCall) -> Any:
        with self.lock:
            self._check_alive()
            row = self.ledger.rows.get(call.id)
            if row is None:
                row = self.ledger.rows[call.id] = Row(call.name, call.arguments, call.made_after)
            elif (row.name, row.arguments) != (call.name, call.arguments):
                raise NonDeterminism(f"call {call.id} was {row.name} {row.arguments}, now it is {call.name}")
            if row.place is not None:
                assert call.settle() == row.place
                return row.value
        value = self.answer(call)
        return LATER if value is LATER else self._store(call, row, value)

    def _store(self, call: HostCall, row: Row, value: Any) -> Any:
        with self.lock:
            self._check_alive()
            last = len(self.live) + 1 == self.dies_after
            if last and self.death == "before the answer":
                self.die()
            place = call.settle()
            if last and self.death == "before storing":
                self.die()
            row.place, row.value = place, value
            self.live.append(call.id)
            if last:
                self.die()
            return value

    def _check_alive(self) -> None:
        if self.dead:
            raise Died

    def die(self) -> None:
        self.dead = True
        raise Died


def job(code: str, ledger: Ledger | None = None, event: Any = None, **more: Any) -> Job:
    """A job as `support.run` makes it, that replays a ledger."""
    replay = ledger.replay if ledger is not None else ()
    limits = more.pop("limits", Limits())
    return Job(code, event, limits, seed=7, now=1_000_000_000.0, tools=TOOLS, replay=replay, **more)


def attempt(code: str, runtime: str, host: LedgerHost, event: Any = None, **more: Any) -> Outcome:
    """One attempt at a run; raises Died where its host does."""
    try:
        return sandbox.run(job(code, host.ledger, event, **more), runtime=runtime, host=host)  # type: ignore[arg-type]
    finally:
        with host.lock:  # its threads may still be at work for a run that is over
            host.dead = True


def attempt_until_death(code: str, runtime: str, host: LedgerHost, event: Any = None) -> Outcome | None:
    """One attempt; None if its host died."""
    try:
        return attempt(code, runtime, host, event)
    except Died:
        return None

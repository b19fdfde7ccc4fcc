"""What clients ask for: an endless seeded list of jobs."""

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.chaos.programs import MODES, make_program, name_of

SUBJECTS = 3
MOST_CANCEL_SECONDS = 2.5


@dataclass(frozen=True, slots=True)
class Job:
    """One submission. `door`: a ticket, or a sync run. `cancel_after`, `leave_after`: seconds; None for never."""

    marker: str
    door: str
    agent: str
    program: dict[str, Any]
    user: int
    key: str = ""
    subject: str = ""
    policy: str = ""
    cancel_after: float | None = None
    leave_after: float | None = None

    @property
    def path(self) -> str:
        return "/api/tickets" if self.door == "ticket" else f"/api/agents/{self.agent}/run"

    @property
    def body(self) -> dict[str, Any]:
        if self.door == "sync":
            return {"input": self.program}
        subject = {"subject": self.subject, "if_running": self.policy} if self.subject else {}
        return {"agent_id": self.agent, "input": self.program, **subject}


class Jobs:
    """Hands out jobs to many threads."""

    def __init__(self, seed: int, url: str, *, runtimes: tuple[str, ...], users: int) -> None:
        self._jobs = _jobs(random.Random(seed), url, runtimes, users)
        self._lock = threading.Lock()

    def take(self) -> Job:
        with self._lock:
            return next(self._jobs)


def _jobs(rng: random.Random, url: str, runtimes: tuple[str, ...], users: int) -> Iterator[Job]:
    for number in count(1):
        runtime, mode = rng.choice(runtimes), rng.choice(MODES)
        marker = f"m{number}"
        program = make_program(rng, marker, url, mode=mode, runtimes=runtimes)
        door = rng.choices(("ticket", "sync"), (2, 1))[0]
        fields: dict[str, Any] = {"key": f"key-{marker}" if rng.random() < 0.75 else ""}
        if door == "ticket":
            if rng.random() < 0.15:
                fields["subject"] = f"subject-{rng.randrange(SUBJECTS)}"
                fields["policy"] = rng.choices(("enqueue", "reject", "interrupt"), (4, 1, 1))[0]
            if rng.random() < 0.1:
                fields["cancel_after"] = rng.uniform(0, MOST_CANCEL_SECONDS)
        elif rng.random() < 0.15:
            fields["leave_after"] = rng.uniform(0.05, 1.0)
        yield Job(marker, door, name_of("top", runtime, mode), program, rng.randrange(users), **fields)

"""The blows: what is done to the platform, when, and what was under way as it fell. Runs in the main thread."""

import logging
import random
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import redis
from django.conf import settings

from tests.chaos import database
from tests.chaos.database import asked
from tests.chaos.members import Member, Members
from tests.chaos.watch import Watch
from workflows.models import Effect, Lease

log = logging.getLogger("chaos")

# kind -> weight; a blow that cannot fall now is left out. Restarts of the database come at set times.
WEIGHTS = {
    "worker killed": 30,
    "web killed": 12,
    "worker frozen": 6,
    "web frozen": 3,
    "worker ended": 9,
    "valkey killed": 5,
    "valkey flushed": 6,
    "valkey frozen": 3,
    "connections cut": 10,
}
FREEZE_SECONDS = (9.0, 10.5)
BETWEEN_FREEZES_SECONDS = 5.0
DRAIN_SECONDS = 30.0
SETTLE_SECONDS = 0.1


@dataclass(slots=True)
class Log:
    """What the blows hit.

    windows: (effect, attempt) of unsafe calls under way; hits: (time, run, attempt) of runs whose holder was killed or
    frozen.
    """

    blows: Counter[str] = field(default_factory=Counter)
    windows: set[tuple[int, int]] = field(default_factory=set)
    hits: list[tuple[float, str, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


class Blows:
    def __init__(self, seed: int, members: Members, watch: Watch, url: str, *, postgres: bool) -> None:
        self.log = Log()
        # Apart, so that the order of the blows does not depend on when they fall.
        self._kinds, self._rng = random.Random(seed), random.Random(seed + 1)
        self._members, self._watch, self._url, self._postgres = members, watch, url, postgres
        self._last_thaw = 0.0

    def fall(self, done: Callable[[int], float]) -> None:
        """Until `done(blows so far)`, the part of the trial that is over, is 1."""
        restarts = [0.33, 0.67] if self._postgres else []
        next_at = 0.0
        while (part := done(self.log.blows.total())) < 1:
            self.tend()
            if restarts and part > restarts[0]:
                restarts.pop(0)
                self._restart_database()
            elif time.monotonic() > next_at:
                self._strike()
                next_at = time.monotonic() + self._rng.uniform(0.2, 0.9)
            time.sleep(0.05)

    def tend(self, *, at_once: bool = False) -> None:
        """Starts what is dead, lets go on what was stopped for long enough, takes leave of what has drained."""
        now = time.monotonic()
        for member in self._members.all():
            if member.thaw_at is not None and (at_once or now > member.thaw_at):
                self._thaw(member)
            if member.child.process is not None:
                code = member.child.reap()
                if code is not None and code != -signal.SIGKILL:
                    self.log.faults.append(f"{member.name} ended by itself with exit code {code}")
            if member.child.process is None and (at_once or member.start_at is None or now > member.start_at):
                member.child.start()
                member.up_since = member.start_at = None
        # Seconds for which a process is left alone once it is up.
        grace = {member.name: min(6.0, 1.0 + self._rng.expovariate(1 / 1.5)) for member in self._members.serving()}
        self._members.look(grace)
        self.log.faults += self._members.left()

    def _strike(self) -> None:
        ripe = [member for member in self._members.workers if member.is_ripe]
        able = {
            "worker killed": bool(ripe),
            "web killed": self._members.web.is_ripe,
            "worker frozen": bool(ripe) and self._may_freeze(),
            "web frozen": self._members.web.is_ripe and self._may_freeze(),
            "worker ended": bool(ripe) and not self._members.leaving,
            "valkey killed": self._members.valkey.child.process is not None and self._members.valkey.thaw_at is None,
            "connections cut": self._postgres,
        }
        able |= dict.fromkeys(("valkey flushed", "valkey frozen"), able["valkey killed"])
        kind = self._kinds.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if not able[kind]:
            return
        what, _, how = kind.partition(" ")
        match what:
            case "worker":
                self._hit(self._rng.choice(ripe), how)
            case "web":
                self._hit(self._members.web, how)
            case "valkey":
                self._hit_valkey(how)
            case _:
                self._note_windows("")
                asked(database.cut)
        self._count(kind)

    def _may_freeze(self) -> bool:
        return not self._members.frozen and time.monotonic() > self._last_thaw + BETWEEN_FREEZES_SECONDS

    def _hit(self, member: Member, how: str) -> None:
        log.info("%s (%s) %s", member.name, member.pid, how)
        holder = f"{socket.gethostname()[:30]}-{member.pid}-"
        match how:
            case "killed":
                at = time.time()
                member.signal(signal.SIGKILL)
                member.up_since = None
                self._note_hits(holder, at)
            case "frozen":
                with self._watch.calm:
                    at = time.time()
                    member.signal(signal.SIGSTOP)
                    member.thaw_at = time.monotonic() + self._rng.uniform(*FREEZE_SECONDS)
                    self._watch.frozen = True
                self._note_hits(holder, at)
            case _:
                self._note_windows(holder)
                # Its successor starts at once, as in any rolling restart.
                self._members.leaving.append((member.child, time.monotonic() + DRAIN_SECONDS))
                member.child.ask_to_stop()
                member.child = type(member.child)(member.child.program)
                member.up_since = None

    def _thaw(self, member: Member) -> None:
        with self._watch.calm:
            log.info("%s (%s) goes on", member.name, member.pid)
            member.signal(signal.SIGCONT)
            member.thaw_at = None
            self._last_thaw = self._watch.thawed_at = time.monotonic()
            self._watch.frozen = self._members.frozen

    def _hit_valkey(self, how: str) -> None:
        valkey = self._members.valkey
        match how:
            case "killed":
                valkey.signal(signal.SIGKILL)
                valkey.start_at = time.monotonic() + self._rng.uniform(0, 4)
            case "frozen":
                valkey.signal(signal.SIGSTOP)
                valkey.thaw_at = time.monotonic() + self._rng.uniform(1, 5)
            case _:
                client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1)
                try:
                    client.flushall()
                except redis.RedisError:
                    return
                finally:
                    client.close()

    def _restart_database(self) -> None:
        self._note_windows("")
        crash = self._rng.random() < 0.5
        database.restart(self._url, crash=crash)
        self._count("database crashed" if crash else "database restarted")

    def _count(self, kind: str) -> None:
        self.log.blows[kind] += 1
        log.info("%s: %s", self.log.blows.total(), kind)

    def _note_hits(self, holder: str, at: float) -> None:
        time.sleep(SETTLE_SECONDS)  # what it had sent to the database is there
        held = Lease.objects.filter(holder__startswith=holder)
        found = asked(lambda: list(held.values_list("run_id", "attempt")))
        self.log.hits += [(at, run_id, attempt) for run_id, attempt in found]
        self._note_windows(holder)

    def _note_windows(self, holder: str) -> None:
        """Unsafe calls that are under way in runs held by processes of that name; of all where it is empty."""
        unsafe = Effect.objects.filter(status="dispatched", effect_class="unsafe")
        held = unsafe.filter(run__lease__holder__startswith=holder) if holder else unsafe
        self.log.windows |= set(asked(lambda: list(held.values_list("pk", "attempt"))))

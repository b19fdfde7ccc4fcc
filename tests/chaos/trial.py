"""One trial: the platform under load, the blows, the calm after them, the verdict."""

import logging
import sys
import time
from pathlib import Path

from django.core.management import call_command
from django.db import connection, connections

from agents import sandbox
from tests.chaos import cast, database
from tests.chaos.arrivals import Arrivals, counting
from tests.chaos.blows import Blows
from tests.chaos.database import asked
from tests.chaos.jobs import Jobs
from tests.chaos.load import Load
from tests.chaos.members import Members, running
from tests.chaos.options import Options
from tests.chaos.verdict import Judge, Verdict
from tests.chaos.watch import Watch
from workflows.models import Run

CALLERS = 3
CLIENTS = 8
MOST_UNFINISHED = 24
START_SECONDS = 90.0
CALM_SECONDS = 120.0
MAIN_KINDS = ("worker killed", "web killed")


def hold(options: Options, var: Path, url: str) -> Verdict:
    """Django is set up on the database `url`, which is empty."""
    (var / "log").mkdir()
    _log_blows(var / "log" / "blows.log")
    call_command("migrate", interactive=False, verbosity=0)
    postgres = connection.vendor == "postgresql"
    if postgres:
        database.make_commits_last()
    verdicts = {runtime: sandbox.verify(runtime) for runtime in sandbox.RUNTIMES}
    runtimes = tuple(runtime for runtime, verdict in verdicts.items() if verdict.available)
    sandbox.close()
    _say(f"runtimes: {', '.join(runtimes) or 'none'}")
    people = cast.enter(runtimes, CALLERS)
    with counting(options.seed) as arrivals, running(var, url, options.workers) as members:
        jobs = Jobs(options.seed, arrivals.url, runtimes=runtimes, users=CALLERS)
        load = Load(jobs, members.port, people.keys, clients=CLIENTS, most=MOST_UNFINISHED)
        watch = Watch(arrivals, people, load)
        blows = Blows(options.seed, members, watch, url, postgres=postgres)
        _await_start(members, blows)
        watch.start()
        load.start()
        _batter(options, blows)
        _calm(blows, load)
        watch.stop()
        verdict = _judge(blows, load, watch, arrivals)
    connections.close_all()
    return verdict


def _log_blows(path: Path) -> None:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    blows = logging.getLogger("chaos")
    blows.addHandler(handler)
    blows.setLevel(logging.INFO)
    blows.propagate = False


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _await_start(members: Members, blows: Blows) -> None:
    deadline = time.monotonic() + START_SECONDS
    while any(member.up_since is None for member in members.serving()):
        if time.monotonic() > deadline:
            raise RuntimeError("the platform did not start; see the logs")
        blows.tend()
        time.sleep(0.1)


def _batter(options: Options, blows: Blows) -> None:
    began = time.monotonic()
    told = began

    def done(fallen: int) -> float:
        nonlocal told
        seconds = time.monotonic() - began
        if time.monotonic() > told + 30:
            told = time.monotonic()
            _say(f"{seconds:.0f} s, {fallen} blows, {asked(Run.objects.count)} runs")
        if options.kills is None:
            return seconds / options.seconds
        # On a busy machine processes are seldom up; a trial without their deaths would be none.
        struck = all(blows.log.blows[kind] for kind in MAIN_KINDS)
        return fallen / options.kills if struck else min(0.99, fallen / options.kills)

    blows.fall(done)


def _calm(blows: Blows, load: Load) -> None:
    """Everything runs again and is let come to its end."""
    load.stop()
    blows.tend(at_once=True)
    deadline = time.monotonic() + CALM_SECONDS
    while asked(Run.objects.unfinished().count) and time.monotonic() < deadline:
        blows.tend()
        time.sleep(0.2)
    load.join(10)
    _say("calm")


def _judge(blows: Blows, load: Load, watch: Watch, arrivals: Arrivals) -> Verdict:
    verdict = Judge(load.submissions, arrivals.all(), blows.log, watch).judge()
    verdict.faults["wrong answers"] = load.faults
    return verdict

"""Appending an event to a run: whether it costs the same when the run has many."""

from datetime import datetime

from bench.figures import SAMPLES, Figure, figure
from bench.platform import Platform
from bench.rows.ticket import wait_for_completion

EVENTS, WINDOW = 10_000, 500
CODE = f"def handler(event):\n    for n in range({EVENTS}):\n        log(n)\n"
LIMITS = {"host_calls": EVENTS, "wall_seconds": 600, "cpu_seconds": 60}


def measure() -> list[Figure]:
    with Platform() as platform:
        name = platform.client.deploy("bench-append", CODE, "monty", limits=LIMITS)
        platform.settle()
        taken = [sample(platform, name) for _ in range(SAMPLES)]
    first, last = zip(*taken, strict=True)
    what = f"events {EVENTS - WINDOW} to {EVENTS} of a run, each appended by a call out of the sandbox"
    floor = f"events 1 to {WINDOW} of the same run"
    return [
        figure(what, "ms", last, floor_of=floor, floor=sorted(first)[SAMPLES // 2], sample=f"{WINDOW} events, SQLite")
    ]


def sample(platform: Platform, name: str) -> tuple[float, float]:
    """Milliseconds of each event among the first ones, and among the last ones."""
    client = platform.client
    ticket = client.call("POST", f"/api/agents/{name}/run", {"input": {}}, Prefer="respond-async")["ticket_id"]
    wait_for_completion(platform, ticket)
    run = client.call("GET", f"/api/tickets/{ticket}")["run_id"]
    times: list[float] = []
    page = f"/api/runs/{run}/events?limit=100"
    while page:
        answer = client.call("GET", page)
        times += [_at(event["created_at"]) for event in answer["results"] if event["type"] == "log"]
        page = answer["next"]
    return _each(times[:WINDOW]), _each(times[-WINDOW:])


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _each(times: list[float]) -> float:
    return (times[-1] - times[0]) * 1000 / (len(times) - 1)

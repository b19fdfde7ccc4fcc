"""Many runs that wait for a person: what they hold meanwhile, and what it costs to go on with them."""

import time

from bench.figures import Figure, figure
from bench.platform import Platform
from bench.processes import memory_mb

WAITING = 500
CODE = "def handler(event):\n    return tools.data.parse_csv(text='a\\n1')\n"


def measure() -> list[Figure]:
    with Platform(APPROVAL_TOOLS="data.parse_csv") as platform:
        name = platform.client.deploy("bench-waiting", CODE, "monty", tools={"data": ["parse_csv"]})
        platform.settle()
        before = memory_mb(platform.pid("worker"))[0]
        asked = _until_they_wait(platform, name)
        after = memory_mb(platform.pid("worker"))[0]
        resumed = _until_they_end(platform)
    sample = f"{WAITING} runs on monty, SQLite, once"
    return [
        figure("worker RSS while 500 runs wait", "MiB", [after], floor_of="before", floor=before, sample=sample),
        figure("a run, submitted until it waits for an approval", "ms CPU", [asked], sample=sample),
        figure("a run, approved until it has ended", "ms CPU", [resumed], sample=sample),
    ]


def _until_they_wait(platform: Platform, name: str) -> float:
    """CPU milliseconds of each."""
    before = platform.cpu_ms()
    for _ in range(WAITING):
        platform.client.call("POST", f"/api/agents/{name}/run", {"input": {}}, Prefer="respond-async")
    while len(_pending(platform)) < WAITING:
        time.sleep(1)
    return (platform.cpu_ms() - before) / WAITING


def _until_they_end(platform: Platform) -> float:
    """CPU milliseconds of each."""
    asked = _pending(platform)
    before = platform.cpu_ms()
    for run, call in asked:
        platform.client.call("POST", f"/api/runs/{run}/approvals/{call}", {"decision": "allow"})
    while platform.client.call("GET", "/api/runs?status=waiting&limit=1")["results"]:
        time.sleep(0.5)
    time.sleep(1)
    cost = (platform.cpu_ms() - before) / WAITING
    ended = platform.client.call("GET", f"/api/runs/{asked[-1][0]}")
    if ended["status"] != "completed":
        raise RuntimeError(f"{ended['_id']}: {ended['status']} {ended['error']}")
    return cost


def _pending(platform: Platform) -> list[tuple[str, str]]:
    """Run and call of every open question."""
    found, page = [], "/api/approvals?pending=true&limit=100"
    while page:
        answer = platform.client.call("GET", page)
        found += [(approval["run_id"], approval["call"]) for approval in answer["results"]]
        page = answer["next"]
    return found

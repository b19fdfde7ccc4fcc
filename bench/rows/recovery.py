"""A worker killed by SIGKILL in the middle of a run, between two calls of its code: how long until the run goes on."""

import os
import signal
import time
from datetime import datetime
from typing import Any

from bench.figures import SAMPLES, Figure, figure
from bench.platform import Platform

CODE = """
import time
def handler(event):
    rows = tools.data.parse_csv(text="a\\n1")
    time.sleep(2)
    return [rows, tools.data.parse_csv(text="a\\n2")]
"""


def measure() -> list[Figure]:
    with Platform() as platform:
        name = platform.client.deploy("bench-recovery", CODE, "auto", tools={"data": ["parse_csv"]})
        platform.settle()
        taken = [sample(platform, name) for _ in range(SAMPLES)]
    return [figure("worker killed by SIGKILL, until its run is claimed again", "s", taken, sample="1 run, 1 worker")]


def sample(platform: Platform, name: str) -> float:
    """Seconds from the kill to the run's second `started`; the run ends as if nothing had been."""
    client = platform.client
    ticket = client.call("POST", f"/api/agents/{name}/run", {"input": {}}, Prefer="respond-async")["ticket_id"]
    run = client.call("GET", f"/api/tickets/{ticket}")["run_id"]
    while not _events(platform, run, "result"):
        time.sleep(0.02)
    os.kill(platform.pid("worker"), signal.SIGKILL)
    killed = time.time()
    while (document := client.call("GET", f"/api/tickets/{ticket}"))["status"] not in ("completed", "failed"):
        time.sleep(0.1)
    if document["status"] == "failed" or len(_events(platform, run, "result")) != 2:
        raise RuntimeError(f"the run was not resumed: {document['error']}")
    again = _events(platform, run, "started")[1]["created_at"]
    return datetime.fromisoformat(again).timestamp() - killed


def _events(platform: Platform, run: str, kind: str) -> list[dict[str, Any]]:
    events = platform.client.call("GET", f"/api/runs/{run}/events?limit=100")["results"]
    return [event for event in events if event["type"] == kind]

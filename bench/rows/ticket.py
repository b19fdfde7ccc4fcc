"""A ticket from its submission to its completion; beside it an empty Celery task from one process to another."""

import time
from statistics import median

from bench.figures import Figure, figure, in_turns
from bench.noop import Noop
from bench.platform import Platform
from bench.rows.sync_run import CODE, INPUT

TICKETS = 100


def measure() -> list[Figure]:
    with Platform() as platform, Noop() as noop:
        name = platform.client.deploy("bench-ticket", CODE, "auto")
        platform.settle()
        sample(platform, name)
        noop.sample(TICKETS)
        taken = in_turns(ticket=lambda: sample(platform, name), noop=lambda: noop.sample(TICKETS))
    return [
        figure(
            "ticket of a code agent, submitted to completed",
            "ms CPU",
            taken["ticket"],
            floor_of="an empty Celery task",
            floor=median(taken["noop"]),
            sample=f"{TICKETS} tickets, SQLite",
        )
    ]


def sample(platform: Platform, name: str) -> float:
    """CPU milliseconds of one of TICKETS tickets. Only the last is asked after meanwhile: asking costs too."""
    client = platform.client
    before = platform.cpu_ms()
    tickets = [
        client.call("POST", f"/api/agents/{name}/run", INPUT, Prefer="respond-async")["ticket_id"]
        for _ in range(TICKETS)
    ]
    while client.call("GET", f"/api/tickets/{tickets[-1]}")["status"] in ("pending", "processing"):
        time.sleep(0.1)
    cost = (platform.cpu_ms() - before) / TICKETS
    for ticket in tickets:
        wait_for_completion(platform, ticket)
    return cost


def wait_for_completion(platform: Platform, ticket: str) -> None:
    while (document := platform.client.call("GET", f"/api/tickets/{ticket}"))["status"] != "completed":
        if document["status"] == "failed":
            raise RuntimeError(f"{ticket}: {document['error']}")
        time.sleep(0.05)

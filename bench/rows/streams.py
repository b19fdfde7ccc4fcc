"""Streams of a run: how soon the first event is there, and what a thousand open ones cost the web process."""

import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from bench.figures import Figure, figure, in_turns
from bench.platform import Platform
from bench.processes import memory_mb
from bench.rows.sync_run import CODE, INPUT

OPEN = 1000
REQUESTS = 20


def measure() -> list[Figure]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.environ["STREAMS_PER_USER"] = str(2 * OPEN)
    try:
        with Platform() as platform:
            platform.settle()
            worker = platform.pid("worker")
            os.kill(worker, signal.SIGSTOP)  # so that the run stays as it is
            try:
                return _figures(platform, _waiting_run(platform))
            finally:
                os.kill(worker, signal.SIGCONT)
    finally:
        del os.environ["STREAMS_PER_USER"]


def _figures(platform: Platform, run_id: str) -> list[Figure]:
    web = platform.pid("web")

    def first_event() -> None:
        _listen(platform, run_id).close()

    first_event()
    taken = in_turns(
        stream=lambda: _milliseconds(first_event),
        view=lambda: _milliseconds(lambda: platform.client.call("GET", "/api/users/me")),
    )
    before, threads_before = memory_mb(web)[0], _threads(web)
    streams = [_listen(platform, run_id) for _ in range(OPEN)]
    platform.settle()
    after, threads = memory_mb(web)[0], _threads(web)
    for stream in streams:
        stream.close()
    quick = {"floor_of": "GET /api/users/me", "floor": median(taken["view"]), "sample": f"{REQUESTS} streams, SQLite"}
    before_note = {"floor_of": "before them", "sample": "1 process, SQLite"}
    return [
        figure("stream of a run, request to first event", "ms", taken["stream"], **quick),
        figure(f"web with {OPEN} open streams, RSS", "MiB", [after], floor=before, **before_note),
        figure(f"web with {OPEN} open streams", "threads", [threads], floor=threads_before, **before_note),
    ]


def _waiting_run(platform: Platform) -> str:
    name = platform.client.deploy("bench-stream", CODE, "auto")
    ticket = platform.client.call("POST", f"/api/agents/{name}/run", INPUT, Prefer="respond-async")
    run_id: str = platform.client.call("GET", f"/api/tickets/{ticket['ticket_id']}")["run_id"]
    return run_id


def _listen(platform: Platform, run_id: str) -> socket.socket:
    """An open stream that has brought its first event. Raises RuntimeError where there is none."""
    stream = socket.create_connection(("127.0.0.1", platform.port), timeout=60)
    head = (
        f"GET /api/runs/{run_id}/events HTTP/1.1",
        "Host: localhost",
        "Accept: text/event-stream",
        f"Authorization: Bearer {platform.client.key}",
    )
    stream.sendall("\r\n".join((*head, "", "")).encode())
    received = b""
    while b"id: 1\n" not in received:
        more = stream.recv(65536)
        if not more:
            raise RuntimeError(f"the stream ended: {received[:500]!r}")
        received += more
    return stream


def _milliseconds(operation: Callable[[], object]) -> float:
    """The median of REQUESTS."""
    taken = []
    for _ in range(REQUESTS):
        began = time.monotonic()
        operation()
        taken.append((time.monotonic() - began) * 1000)
    return median(taken)


def _threads(pid: int) -> float:
    return float(len(list(Path(f"/proc/{pid}/task").iterdir())))

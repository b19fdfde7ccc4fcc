"""Clients: threads that submit jobs through the API, lose their connections, try again, cancel, and remember it all."""

import json
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

from tests.chaos.cast import WALL_SECONDS
from tests.chaos.jobs import Job, Jobs

TIMEOUT_SECONDS = WALL_SECONDS + 10
PAUSE_SECONDS = 0.3
# How long a client tries to get an answer to one submission.
PATIENCE_SECONDS = 40.0


@dataclass(slots=True)
class Submission:
    """What a client knows of a job. `statuses` are those answered, 0 for a connection that broke."""

    job: Job
    statuses: list[int] = field(default_factory=list)
    ticket_id: str = ""
    answered: bool = False
    output: Any = None
    cancelled: bool = False

    @property
    def accepted(self) -> bool:
        return any(200 <= status < 300 for status in self.statuses)


class Load:
    """`clients` threads; none submits while `unfinished` runs are `most` or more."""

    def __init__(self, jobs: Jobs, port: int, keys: tuple[str, ...], *, clients: int, most: int) -> None:
        self.submissions: list[Submission] = []
        self.unfinished = 0
        self.faults: list[str] = []
        self._jobs, self._port, self._keys, self._most = jobs, port, keys, most
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._loop, name=f"client-{n}", daemon=True) for n in range(clients)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """No new submissions."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                self.faults.append(f"{thread.name} still waits for an answer")

    def _loop(self) -> None:
        while not self._stopping.is_set():
            if self.unfinished >= self._most:
                self._stopping.wait(0.1)
                continue
            submission = Submission(self._jobs.take())
            with self._lock:
                self.submissions.append(submission)
            try:
                self._submit(submission)
                self._cancel(submission)
            except Exception as error:
                self.faults.append(f"{submission.job.marker}: the client failed: {error!r}")

    def _submit(self, submission: Submission) -> None:
        job = submission.job
        headers = {"Idempotency-Key": job.key} if job.key else {}
        if job.door == "sync":
            headers["Prefer"] = f"wait={WALL_SECONDS}"
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            status, document = self._ask(job, "POST", job.path, job.body, headers, job.leave_after)
            submission.statuses.append(status)
            if self._learned(submission, status, document):
                return
            # Without a key, asking again may make another run: nobody does.
            if not job.key or job.leave_after is not None or time.monotonic() > deadline:
                return
            time.sleep(PAUSE_SECONDS)

    def _learned(self, submission: Submission, status: int, document: Any) -> bool:
        """Whether that answer is the last that the client wants."""
        error = document.get("error", document) if isinstance(document, dict) else {}
        ticket_id = document.get("ticket_id") or document.get("_id") if isinstance(document, dict) else None
        submission.ticket_id = ticket_id or error.get("ticket_id") or submission.ticket_id
        if status in (201, 202):
            return True
        if status in (200, 422):
            submission.answered = True
            submission.output = document.get("output")
            return True
        code = error.get("code")
        if status == 409 and code == "in_flight":
            return False
        if status == 409 and code == "busy" and submission.job.policy == "reject":
            return True
        if status and status < 500:
            self.faults.append(f"{submission.job.marker}: answered {status} {str(document)[:300]}")
            return True
        return False

    def _cancel(self, submission: Submission) -> None:
        job = submission.job
        if job.cancel_after is None or not submission.ticket_id:
            return
        time.sleep(job.cancel_after)
        submission.cancelled = True
        for _ in range(10):
            status, _answer = self._ask(job, "POST", f"/api/tickets/{submission.ticket_id}/cancel", None, {}, None)
            if status in (202, 409):
                return
            time.sleep(PAUSE_SECONDS)

    def _ask(
        self, job: Job, method: str, path: str, body: Any, headers: dict[str, str], leave_after: float | None
    ) -> tuple[int, Any]:
        """(status, document); status 0 where there was no whole answer."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=leave_after or TIMEOUT_SECONDS)
        fields = {"Authorization": f"Bearer {self._keys[job.user]}", "Content-Type": "application/json", **headers}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, fields)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except (OSError, HTTPException):
            return 0, None
        except ValueError:
            return answer.status, None
        finally:
            connection.close()

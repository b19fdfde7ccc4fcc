"""The sweeper: a thread in every worker that finds due runs in the database and claims them itself.

It makes the broker dispensable: lost doorbells, dead workers and wake-ups are all the same to it, a lease that is due.
"""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from gofannon.lib.connections import give_back_connection
from workflows import execution, heartbeat, leases, transitions
from workflows.models import Run

log = logging.getLogger(__name__)


class Sweeper:
    def __init__(self, places: int) -> None:
        self.places = places
        self.free = threading.Semaphore(places)
        self.stopping = threading.Event()
        # A place is free again: perhaps more is due than there were places for.
        self.bell = threading.Event()
        self.pool = ThreadPoolExecutor(places, thread_name_prefix="sweeper")
        self.thread = threading.Thread(target=self._loop, name="sweeper", daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        """No new claims from here on; what runs goes on."""
        self.stopping.set()
        self.bell.set()

    def _loop(self) -> None:
        while not self.stopping.is_set():
            try:
                while self.sweep() == self.places and not self.stopping.is_set():
                    pass
            except Exception:
                log.exception("sweeper: will try again")
            finally:
                give_back_connection()
            self.bell.wait(leases.BEAT_SECONDS)
            self.bell.clear()

    def sweep(self) -> int:
        """Claims due runs as far as there are places; how many."""
        claimed = 0
        for run_id in leases.due(self.places):
            if self.stopping.is_set() or heartbeat.is_late() or not self.free.acquire(blocking=False):
                break
            if self._take(run_id):
                claimed += 1
            else:
                self.free.release()
        return claimed

    def _take(self, run_id: str) -> bool:
        try:
            run = transitions.claim_run(run_id)
            if run is not None:
                self.pool.submit(self._work, run)
        except BaseException:
            self.free.release()
            raise
        return run is not None

    def _work(self, run: Run) -> None:
        try:
            execution.execute(run)
        except Exception:
            log.exception("sweeper: run %s", run.pk)
        finally:
            self.free.release()
            self.bell.set()
            give_back_connection()

"""The sender: a thread in every worker that finds due deliveries in the database and sends them from a small pool.

Actors take turns: who has just been served stands behind those who have not, whatever has been due for how long. So
nobody waits for another's backlog, not even at a host that both send to.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from gofannon.lib.connections import give_back_connection
from workflows.models import Delivery
from workflows.webhooks import outbox, rows
from workflows.webhooks.outbox import Waiting
from workflows.webhooks.outcome import Outcome
from workflows.webhooks.sending import send

log = logging.getLogger(__name__)

PLACES = 4
# So many at once to one host, and of one actor: a dead receiver, or somebody's many, leave places to the others.
PER_HOST = 2
PER_ACTOR = PLACES - 1
LOOK_SECONDS = 2.0
LOOK_AT = 20
# So many actors are remembered as served; of more, the first have their turn again before the last have had it.
MOST_SERVED = 200


class Errand(NamedTuple):
    """A send under way: to which host, for whom. "" is a host that no request goes to, or nobody; neither is full."""

    host: str
    actor_id: str


class Full(NamedTuple):
    """What nothing more may be begun of: deliveries under way, hosts and actors with all the places they may have."""

    ids: set[str]
    hosts: set[str]
    actors: set[str]


class Sender:
    def __init__(self, places: int = PLACES) -> None:
        self.places = places
        self.stopping = threading.Event()
        self.pool = ThreadPoolExecutor(places, thread_name_prefix="webhooks")
        self.thread = threading.Thread(target=self._loop, name="webhooks", daemon=True)
        self._lock = threading.Lock()
        self._under_way: dict[str, Errand] = {}
        # The actors who have had their turn in this round, in the order of their turns; the looking thread's own.
        self._served: dict[str, None] = {}

    def start(self) -> None:
        self.thread.start()

    def stop(self, *, wait: bool = False) -> None:
        """Nothing new is sent from here on; what is under way ends. `wait`: until it has."""
        self.stopping.set()
        rows.bell.set()
        if wait:
            self.thread.join()
            self.pool.shutdown()

    def _loop(self) -> None:
        while not self.stopping.is_set():
            rows.bell.clear()
            try:
                self.look()
            except Exception:
                log.exception("webhooks: will try again")
            finally:
                give_back_connection()
            if not self.stopping.is_set():
                rows.bell.wait(LOOK_SECONDS)

    def look(self) -> int:
        """Begins to send what is due, as far as there are places; how many."""
        begun = 0
        while self._has_place() and (page := self._page()):
            for waiting in page:
                if not self._has_place():
                    break
                begun += self._begin(waiting)
        return begun

    def _has_place(self) -> bool:
        return not self.stopping.is_set() and len(self._under_way) < self.places

    def _page(self) -> list[Waiting]:
        """What may begin now, of those who have not had their turn; where nothing is, a new round begins."""
        page = self._due(self._served)
        if not page and self._served:
            page = self._due(())
            if page:
                self._served.clear()
        return page

    def _due(self, served: Iterable[str]) -> list[Waiting]:
        full = self._full()
        return outbox.due(
            LOOK_AT, without_ids=full.ids, without_hosts=full.hosts, without_actors=full.actors.union(served)
        )

    def _begin(self, waiting: Waiting) -> bool:
        if waiting.actor_id in self._served or not self._enter(waiting):
            return False
        try:
            delivery = outbox.take(waiting.id)
            if delivery is not None:
                self.pool.submit(self._work, delivery)
                self._serve(waiting.actor_id)
                return True
        except BaseException:
            self._leave(waiting.id)
            raise
        self._leave(waiting.id)
        return False

    def _serve(self, actor_id: str | None) -> None:
        if actor_id is None:
            return
        self._served[actor_id] = None
        if len(self._served) > MOST_SERVED:
            del self._served[next(iter(self._served))]

    def _work(self, delivery: Delivery) -> None:
        try:
            began = time.monotonic()
            outcome = self._outcome(delivery)
            outbox.settle(delivery, outcome, time.monotonic() - began)
        except Exception:
            # Its lease runs out, and it is sent again.
            log.exception("webhooks: what came of %s is not stored", delivery.pk)
        finally:
            give_back_connection()
            self._leave(delivery.pk)
            rows.bell.set()

    def _outcome(self, delivery: Delivery) -> Outcome:
        try:
            return send(delivery)
        except Exception:
            log.exception("webhooks: a fault of ours in try %s of %s", delivery.attempts, delivery.pk)
            return Outcome(error="internal_error")

    def _full(self) -> Full:
        with self._lock:
            under_way = dict(self._under_way)
        hosts = Counter(one.host for one in under_way.values() if one.host)
        actors = Counter(one.actor_id for one in under_way.values() if one.actor_id)
        return Full(
            set(under_way),
            {host for host, count in hosts.items() if count >= PER_HOST},
            {actor_id for actor_id, count in actors.items() if count >= PER_ACTOR},
        )

    def _enter(self, waiting: Waiting) -> bool:
        errand = Errand(waiting.host, waiting.actor_id or "")
        with self._lock:
            others = self._under_way.values()
            if waiting.id in self._under_way or len(others) >= self.places:
                return False
            if errand.host and sum(one.host == errand.host for one in others) >= PER_HOST:
                return False
            if errand.actor_id and sum(one.actor_id == errand.actor_id for one in others) >= PER_ACTOR:
                return False
            self._under_way[waiting.id] = errand
        return True

    def _leave(self, delivery_id: str) -> None:
        with self._lock:
            self._under_way.pop(delivery_id, None)

"""The sender: a thread in every worker that finds due deliveries in the database and sends them from a small pool."""

import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple
from urllib.parse import urlsplit

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
LOOK_AT = 200


class Errand(NamedTuple):
    """A send under way: to which host, at which origin as its address spells it, for whom."""

    host: str
    origin: str
    actor_id: str


class Sender:
    def __init__(self, places: int = PLACES) -> None:
        self.places = places
        self.stopping = threading.Event()
        self.pool = ThreadPoolExecutor(places, thread_name_prefix="webhooks")
        self.thread = threading.Thread(target=self._loop, name="webhooks", daemon=True)
        self._lock = threading.Lock()
        self._under_way: dict[str, Errand] = {}

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
        origins, actors = self._full()
        if len(self._under_way) >= self.places:
            return 0
        for waiting in outbox.due(LOOK_AT, without_origins=origins, without_actors=actors):
            if self.stopping.is_set() or len(self._under_way) >= self.places:
                break
            begun += self._begin(waiting)
        return begun

    def _begin(self, waiting: Waiting) -> bool:
        if not self._enter(waiting):
            return False
        try:
            delivery = outbox.take(waiting.id)
            if delivery is not None:
                self.pool.submit(self._work, delivery)
                return True
        except BaseException:
            self._leave(waiting.id)
            raise
        self._leave(waiting.id)
        return False

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

    def _full(self) -> tuple[set[str], set[str]]:
        """The origins and the actors that have all the places they may have."""
        with self._lock:
            errands = list(self._under_way.values())
        hosts, actors = Counter(one.host for one in errands), Counter(one.actor_id for one in errands)
        origins = {one.origin for one in errands if hosts[one.host] >= PER_HOST}
        return origins, {actor_id for actor_id, count in actors.items() if actor_id and count >= PER_ACTOR}

    def _enter(self, waiting: Waiting) -> bool:
        errand = _errand(waiting)
        with self._lock:
            others = self._under_way.values()
            if waiting.id in self._under_way or len(others) >= self.places:
                return False
            if sum(one.host == errand.host for one in others) >= PER_HOST:
                return False
            if errand.actor_id and sum(one.actor_id == errand.actor_id for one in others) >= PER_ACTOR:
                return False
            self._under_way[waiting.id] = errand
        return True

    def _leave(self, delivery_id: str) -> None:
        with self._lock:
            self._under_way.pop(delivery_id, None)


def _errand(waiting: Waiting) -> Errand:
    scheme, rest = waiting.url.partition("://")[::2]
    authority = rest.split("/")[0].split("?")[0].split("#")[0]
    try:
        host = (urlsplit(waiting.url).hostname or "").rstrip(".")
    except ValueError:  # an address that the sending itself will refuse
        host = authority
    return Errand(host, f"{scheme}://{authority}", waiting.actor_id or "")

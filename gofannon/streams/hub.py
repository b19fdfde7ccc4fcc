"""Every open stream of the process, and what there is to read for them."""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

from django.conf import settings

from gofannon.lib.errors import ApiError
from gofannon.streams.pages import Page, read_page, read_standings
from gofannon.streams.readers import Readers
from gofannon.streams.subscription import Subscription
from workflows.models import UNFINISHED

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
MOST_AT_DOOR = 500
RETRY_AFTER = {"Retry-After": "5"}


class Watch:
    """A run that somebody watches: what is known of it, and whom to wake when more is."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.seq = 0
        self.ending = ""  # the status of a finished run; it gets no more events
        self.gone = False  # the run was deleted
        self.sleepers: set[asyncio.Event] = set()
        self.reads: dict[int, asyncio.Task[Page]] = {}

    def learn(self, seq: int, status: str = "") -> None:
        ending = status if status and status not in UNFINISHED else ""
        if seq > self.seq or (ending and not self.ending):
            self.seq, self.ending = max(seq, self.seq), ending or self.ending
            self.wake()

    def lose(self) -> None:
        self.gone = True
        self.wake()

    def wake(self) -> None:
        for sleeper in self.sleepers:
            sleeper.set()


class Hub:
    """Belongs to one event loop. `closing`: the process ends, and no stream begins or goes on."""

    def __init__(self) -> None:
        self.readers = Readers()
        self.closing = False
        self.open = self.at_door = 0
        self._users: Counter[str] = Counter()
        self._watches: dict[str, Watch] = {}
        self._closers: set[Callable[[], None]] = set()
        self._bus = Subscription(self._heard, self._confirmed)
        self._unsure: set[str] = set()
        self._asked = asyncio.Event()
        self._poll_task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def door(self) -> Iterator[None]:
        """Where it is found out who asks: who is nobody takes no place of a stream. Raises ApiError."""
        if self.at_door >= MOST_AT_DOOR:
            raise ApiError("too many ask for streams at this moment", code="busy", status=503, headers=RETRY_AFTER)
        self.at_door += 1
        try:
            yield
        finally:
            self.at_door -= 1

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """One of the process's places. Raises ApiError where all are taken."""
        if self.closing:
            raise ApiError("the process is stopping, try again", code="busy", status=503, headers=RETRY_AFTER)
        if self.open >= settings.STREAMS:
            raise _too_many(f"{settings.STREAMS} streams are open here")
        self.open += 1
        try:
            yield
        finally:
            self.open -= 1

    @contextlib.contextmanager
    def place_of(self, user_id: str) -> Iterator[None]:
        """One of the user's places. Raises ApiError where all are taken."""
        if self._users[user_id] >= settings.STREAMS_PER_USER:
            raise _too_many(f"{settings.STREAMS_PER_USER} of your streams are open")
        self._users[user_id] += 1
        try:
            yield
        finally:
            self._users[user_id] -= 1
            if not self._users[user_id]:
                del self._users[user_id]

    @contextlib.contextmanager
    def watching(self, run_id: str, sleeper: asyncio.Event) -> Iterator[Watch]:
        """The run's watch, which sets `sleeper` whenever it learns something."""
        watch = self._watches.get(run_id)
        if watch is None:
            watch = self._watches[run_id] = Watch(run_id)
            self._bus.add(run_id)
        watch.sleepers.add(sleeper)
        if self._poll_task is None or self._poll_task.done():
            self._poll_task = asyncio.create_task(self._poll())
        try:
            yield watch
        finally:
            watch.sleepers.discard(sleeper)
            if not watch.sleepers:
                del self._watches[run_id]
                self._bus.drop(run_id)

    @contextlib.contextmanager
    def closed_by(self, closer: Callable[[], None]) -> Iterator[None]:
        """`closer` is called when the process ends."""
        self._closers.add(closer)
        try:
            yield
        finally:
            self._closers.discard(closer)

    async def page(self, watch: Watch, after: int) -> Page:
        """The run's events behind `after`. Streams that stand at the same place share one read."""
        read = watch.reads.get(after)
        if read is None:
            read = asyncio.create_task(self._read(watch, after))
            watch.reads[after] = read
            read.add_done_callback(partial(_forget, watch.reads, after))
        # Shielded: one stream that ends takes nothing from the others.
        return await asyncio.shield(read)

    async def _read(self, watch: Watch, after: int) -> Page:
        known = watch.seq
        page = await self.readers.read(read_page, watch.run_id, after, known)
        watch.learn(page.seq, page.status)
        return page

    def end_streams(self) -> None:
        """Ends every stream at once; none begins any more."""
        self.closing = True
        for closer in list(self._closers):
            closer()

    async def close(self) -> None:
        self.end_streams()
        await self._bus.close()
        if self._poll_task is not None:
            self._poll_task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._poll_task
        await self.readers.close()

    def _heard(self, run_id: str, seq: int) -> None:
        watch = self._watches.get(run_id)
        if watch is not None:
            watch.learn(seq)

    def _confirmed(self, run_id: str) -> None:
        """What was announced before the channel was listened to was not heard: look once."""
        self._unsure.add(run_id)
        self._asked.set()

    async def _poll(self) -> None:
        """Asks after all watched runs in one query, for news that the bus has lost; ends with the last of them."""
        loop = asyncio.get_running_loop()
        due = loop.time() + POLL_SECONDS
        while self._watches:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._asked.wait()
            self._asked.clear()
            wanted, self._unsure = self._unsure & self._watches.keys(), set()
            if loop.time() >= due:
                wanted = {run_id for run_id, watch in self._watches.items() if not watch.ending}
                due = loop.time() + POLL_SECONDS
            if wanted:
                await self._look(wanted)

    async def _look(self, run_ids: set[str]) -> None:
        try:
            standings = await self.readers.read(read_standings, run_ids)
        except Exception:
            log.warning("streams: the database did not answer", exc_info=True)
            return
        for run_id in run_ids:
            watch = self._watches.get(run_id)
            if watch is None:
                continue
            if run_id in standings:
                watch.learn(*standings[run_id])
            else:
                watch.lose()


def _forget(reads: dict[int, asyncio.Task[Page]], after: int, read: asyncio.Task[Page]) -> None:
    reads.pop(after)
    if not read.cancelled():
        read.exception()  # seen, even where every stream that waited for it has gone


_hub: tuple[asyncio.AbstractEventLoop, Hub] | None = None


def hub_of_this_loop() -> Hub:
    """The running loop's hub; a process that serves has one loop."""
    global _hub
    loop = asyncio.get_running_loop()
    if _hub is None or _hub[0] is not loop:
        _hub = loop, Hub()
    return _hub[1]


def _too_many(what: str) -> ApiError:
    return ApiError(f"{what}; close one or try later", code="too_many_streams", status=429, headers=RETRY_AFTER)

"""The process's one ear at the bus: a pub/sub connection that hears of the runs that somebody watches."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from workflows import bus

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 5.0
# Of silence, after which the broker is asked whether it is there.
PING_SECONDS = 10.0


class Subscription:
    """`heard(run_id, seq)` is called for each message, `confirmed(run_id)` once its channel is being listened to.

    What happened before was not heard. Connects with the first run and again whenever the broker has been away.
    """

    def __init__(self, heard: Callable[[str, int], None], confirmed: Callable[[str], None]) -> None:
        self._heard = heard
        self._confirmed = confirmed
        self._wanted: set[str] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        # The prefix of every channel; itself one, so that there is always something to listen to.
        self._prefix = bus.channel("")

    def add(self, run_id: str) -> None:
        self._wanted.add(run_id)
        self._changed.set()
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def drop(self, run_id: str) -> None:
        self._wanted.discard(run_id)
        self._changed.set()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _run(self) -> None:
        self._pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._listen()
            except* (RedisError, OSError) as group:
                if self._pause == FIRST_PAUSE_SECONDS:
                    log.warning("bus: the broker does not answer (%s); streams poll the database", group.exceptions[0])
            await asyncio.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)

    async def _listen(self) -> None:
        """Listens until the connection breaks. Raises ExceptionGroup of RedisError and OSError."""
        client = Redis.from_url(
            settings.REDIS_URL, socket_connect_timeout=2, socket_timeout=5, retry=Retry(NoBackoff(), 0)
        )
        pubsub = client.pubsub()
        try:
            await pubsub.subscribe(self._prefix)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._follow(pubsub))
                both.create_task(self._hear(pubsub))
        finally:
            await pubsub.aclose()  # type: ignore[no-untyped-call]
            await client.aclose()

    async def _follow(self, pubsub: Any) -> None:
        """Keeps the connection's channels those of the runs that are wanted."""
        there: set[str] = set()
        while True:
            self._changed.clear()
            wanted = set(self._wanted)
            if new := wanted - there:
                await pubsub.subscribe(*map(bus.channel, new))
            if old := there - wanted:
                await pubsub.unsubscribe(*map(bus.channel, old))
            there = wanted
            await self._changed.wait()

    async def _hear(self, pubsub: Any) -> None:
        silent = False
        while True:
            message = await pubsub.get_message(timeout=PING_SECONDS)
            if message is None and silent:
                raise TimeoutError("silence")
            if silent := message is None:
                await pubsub.ping()
                continue
            self._pause = FIRST_PAUSE_SECONDS
            self._take(message)

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "message":
            run_id, _, seq = bytes(message["data"]).decode("utf-8", "replace").partition(" ")
            if seq.isascii() and seq.isdecimal():
                self._heard(run_id, int(seq))
        elif message["type"] == "subscribe":
            self._confirmed(bytes(message["channel"]).decode("utf-8", "replace").removeprefix(self._prefix))

"""Text of a model as it comes, stored piecemeal: the pieces of a moment together are one event of type `delta`."""

import heapq
import itertools
import logging
import math
import os
import threading
import time
from collections.abc import Callable
from copy import copy
from types import TracebackType
from typing import Self

from django.db import close_old_connections

from gofannon.lib.connections import give_back_connection
from workflows import transitions
from workflows.models import Run
from workflows.transitions import Note

log = logging.getLogger(__name__)

MAX_CHARACTERS = 1024
DELAY_SECONDS = 0.08
# After which a quiet process holds no database connection for texts.
IDLE_SECONDS = 1.0


class Deltas:
    """Collects the text of one answer and stores it as it grows.

    `append(text)` stores one event. It is called with all that was collected when MAX_CHARACTERS have been, or
    DELAY_SECONDS after the first piece since the last event, by a thread that all Deltas of the process share: `add`
    itself neither stores nor waits, so an event loop may call it, and a pause of the source holds no text back.
    `close` stores the rest in the calling thread. Calls of `append` of one Deltas never overlap and keep the order.

    An error of `append` (LeaseLost, the database's) is raised by the next `add` and by every later `add` and `close`;
    the text since then is dropped. Whoever closes has stored everything or hears why not. Any thread may call any
    method; the pieces of two threads come in the order in which `add` was entered.

        with Deltas.of(run) as deltas:
            async for piece in answer:
                deltas.add(piece)
        transitions.append_events(run, [Note("output", {"text": whole})])
    """

    def __init__(self, append: Callable[[str], None]) -> None:
        self._append = append
        self._lock = threading.Lock()  # of the fields below; never held while storing
        self._storing = threading.Lock()
        self._pieces: list[str] = []
        self._size = 0
        self._batch = 0  # counts what was taken to be stored
        self._error: Exception | None = None
        self._closed = False

    @classmethod
    def of(cls, run: Run) -> Self:
        """Stores `delta` events `{"text": ...}` of the run that this process holds.

        They are written through a copy: `run` counts its own events in the thread that works on it.
        """
        mine = copy(run)
        return cls(lambda text: transitions.append_events(mine, [Note("delta", {"text": text})]))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes. While another error is on its way, one of storing is only logged."""
        try:
            self.close()
        except Exception:
            if error is None:
                raise
            log.warning("deltas: the last text was not stored", exc_info=True)

    def add(self, text: str) -> None:
        """Collects a piece. Raises what the last storing raised, ValueError once closed."""
        if not text:
            return
        with self._lock:
            self._check()
            if self._closed:
                raise ValueError("these deltas are closed")
            first, was_full = not self._pieces, self._size >= MAX_CHARACTERS
            self._pieces.append(text)
            self._size += len(text)
            full, batch = self._size >= MAX_CHARACTERS, self._batch
        if full and not was_full:
            _flusher.plan(self, batch, 0.0)
        elif first:
            _flusher.plan(self, batch, DELAY_SECONDS)

    def close(self) -> None:
        """Stores what is left; returns when nothing is being stored any more. Raises what storing raised."""
        with self._lock:
            self._closed = True
        self.flush()
        with self._lock:
            self._check()

    def flush(self, batch: int | None = None) -> None:
        """Stores what has been collected, if anything, as one event; with `batch`, only if that one is still collected.

        Keeps an error for the next `add` or `close`.
        """
        with self._storing:
            with self._lock:
                if batch not in (None, self._batch):
                    return
                text = "".join(self._pieces) if self._error is None else ""
                self._pieces, self._size, self._batch = [], 0, self._batch + 1
            if not text:
                return
            try:
                self._append(text)
            except Exception as error:
                with self._lock:
                    self._error = error

    def _check(self) -> None:
        if self._error is not None:
            raise self._error


class _Flusher:
    """One thread per process, started by the first text and again after a fork, that flushes what is due."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[tuple[float, int, Deltas, int]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._pid = 0

    def plan(self, deltas: Deltas, batch: int, seconds: float) -> None:
        """Flushes the batch in so many seconds, unless it has been by then."""
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), deltas, batch))
            if self._thread is None or self._pid != os.getpid() or not self._thread.is_alive():
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._loop, name="deltas", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _loop(self) -> None:
        while True:
            try:
                self._flush_next()
            except Exception:  # of the connection's; those of storing are for whoever adds
                log.exception("deltas")

    def _flush_next(self) -> None:
        planned = self._next(IDLE_SECONDS)
        if planned is None:
            give_back_connection()
            planned = self._next(math.inf)
        if planned is not None:
            deltas, batch = planned
            deltas.flush(batch)
            close_old_connections()  # one that broke is none to go on with

    def _next(self, patience: float) -> tuple[Deltas, int] | None:
        """Waits for the next that is due; None where none is within `patience` seconds."""
        with self._changed:
            give_up = time.monotonic() + patience
            while True:
                now = time.monotonic()
                due = self._due[0][0] if self._due else math.inf
                if due <= now:
                    return heapq.heappop(self._due)[2:]
                if give_up <= now:
                    return None
                wait = min(due, give_up) - now
                self._changed.wait(wait if wait < math.inf else None)


_flusher = _Flusher()

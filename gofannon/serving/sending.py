"""The answers that wait to be read: sent from the event loop in pieces, each as soon as the client has taken the last.

A client that does not take a piece in time is cut off. All answers together have a bound: beyond it goes the oldest
answer of the client for which most is held, so that whoever does not read is in nobody's way but his own.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from gofannon.serving.clients import Holdings
from gofannon.serving.threads import Answer
from gofannon.streams.outlet import Outlet

MAX_WAITING_BYTES = 256 << 20
PIECE_BYTES = 64 << 10


class Waiting:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self.held = Holdings()
        self._answers: dict[Outlet, tuple[str, int]] = {}

    @contextmanager
    def place(self, outlet: Outlet, client: str, size: int) -> Iterator[None]:
        """Holds `size` bytes for the client while the block runs."""
        self._answers[outlet] = client, size
        self.held.add(client, size)
        while self.held.total > MAX_WAITING_BYTES:
            self._give_up_one()
        try:
            yield
        finally:
            self._forget(outlet)

    def _give_up_one(self) -> None:
        client = self.held.largest()
        outlet = next(outlet for outlet, (whose, _) in self._answers.items() if whose == client)
        outlet.hurry(0.0)
        self._forget(outlet)

    def _forget(self, outlet: Outlet) -> None:
        client, size = self._answers.pop(outlet, ("", 0))
        self.held.drop(client, size)


waiting = Waiting()


async def send_answer(answer: Answer, outlet: Outlet, client: str) -> None:
    """Raises Stalled."""
    body = answer.body
    with waiting.place(outlet, client, len(body)):
        await outlet.start(answer.headers, answer.status)
        start = 0
        while len(body) - start > PIECE_BYTES:
            await outlet.write(body[start : start + PIECE_BYTES])
            start += PIECE_BYTES
        await outlet.finish(body[start:])

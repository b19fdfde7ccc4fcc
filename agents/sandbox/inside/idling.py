"""What event loops wait with: where code is idle, and so the only place where async code gets an input."""

import selectors
from collections.abc import Callable
from typing import Any

from . import clock

wait: Callable[[float | None], bool] | None = None
"""Takes one input for the idle code, given the seconds to its next timer; False if there is nothing to wait for."""


class Selector(selectors.DefaultSelector):
    """Waits for descriptors of the agent's own as any selector does, and for all else through `wait`."""

    def select(self, timeout: float | None = None) -> list[Any]:
        """What is ready; with nothing ready and time to wait, one input or the time of the next timer comes first."""
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if wait is not None and wait(timeout):
            return []
        if timeout is None:
            return super().select(None)
        ready = super().select(0 if clock.hurries() else timeout)
        if not ready:
            clock.advance(timeout)
        return ready


def install() -> None:
    """Have every event loop wait with it."""
    selectors.DefaultSelector = Selector  # type: ignore[misc]

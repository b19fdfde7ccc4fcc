"""The process's one client: made when it is first needed, anew after a fork, anew where the settings have changed."""

import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gofannon.lib.http.allowed import AllowList
from gofannon.lib.http.messages import DEFAULT_SECONDS

if TYPE_CHECKING:
    from gofannon.lib.http.client import Client


@dataclass(frozen=True, slots=True)
class Policy:
    """What an operator decides: what is let through although it is not public, and the seconds of a request."""

    allow: AllowList
    seconds: float

    @classmethod
    def of(cls, allow: Iterable[str], seconds: float) -> "Policy":
        """Raises ValueError with one sentence that names the setting."""
        return cls(_parsed(tuple(allow)), seconds)


_parsed = lru_cache(maxsize=16)(AllowList.parse)

_lock = threading.Lock()
_held: "tuple[Policy, Client] | None" = None


def _nothing_allowed() -> Policy:
    return Policy(AllowList(), DEFAULT_SECONDS)


_policy: Callable[[], Policy] = _nothing_allowed


def configure(policy: Callable[[], Policy]) -> None:
    """`policy` is asked at every request, so that it may read settings that tests change.

    It is asked now, too: raises ValueError where it makes no sense.
    """
    global _policy
    policy()
    _policy = policy


def default_seconds() -> float:
    """How long a request may take that does not say so itself."""
    return _policy().seconds


def shared_client() -> "Client":
    # Here, because it costs a quarter of a second and 8 MB, and many a process asks nobody.
    from gofannon.lib.http.client import Client

    global _held
    policy = _policy()
    with _lock:
        if _held is None or _held[0] != policy:
            if _held is not None:
                _held[1].close()
            _held = (policy, Client(allow=policy.allow, seconds=policy.seconds))
        return _held[1]


def close() -> None:
    """Closes idle connections; the next request makes a new client."""
    global _held
    with _lock:
        if _held is not None:
            _held[1].close()
        _held = None


def _forget() -> None:
    """In the child of a fork: the connections are the parent's, and the lock may have been held."""
    global _held, _lock
    _lock = threading.Lock()
    _held = None


os.register_at_fork(after_in_child=_forget)

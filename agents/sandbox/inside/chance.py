"""Chance that is the same in every attempt of a run: `random` is seeded, and the system's randomness is a keyed hash.

`secrets`, `uuid` and `random.SystemRandom` draw from it too. It is no secret to whoever knows the run's seed.
"""

import hashlib
import os
import random
import uuid
from typing import Any

_BLOCK = 64

_key = b""
_drawn = 0


def start(seed: int) -> None:
    """Begin the run's course of chance."""
    global _key, _drawn
    _key, _drawn = hashlib.blake2b(str(seed).encode()).digest(), 0
    random.seed(seed)


def _urandom(size: int, /) -> bytes:
    """`size` bytes, other ones each time."""
    global _drawn
    if size < 0:
        raise ValueError("negative argument not allowed")
    parts = []
    for _block in range(-(-size // _BLOCK)):
        _drawn += 1
        parts.append(hashlib.blake2b(_drawn.to_bytes(8, "big"), key=_key).digest())
    return b"".join(parts)[:size]


def _getrandom(size: int, flags: int = 0) -> bytes:
    """As os.getrandom, whose flags do not matter here."""
    return _urandom(size)


_seed = random.Random.seed


def _seed_anew(self: random.Random, a: Any = None, version: int = 2) -> None:
    """As random.Random.seed, which draws from the system where no seed is given."""
    _seed(self, int.from_bytes(_urandom(32), "big") if a is None else a, version)


def install() -> None:
    """Put it in place of the system's randomness; `random` and `uuid` keep references of their own."""
    os.urandom, os.getrandom = _urandom, _getrandom
    setattr(random, "_urandom", _urandom)  # noqa: B010 - a private name of a module
    _seed_anew.__name__ = "seed"
    random.Random.seed = _seed_anew  # type: ignore[method-assign]
    random.seed = getattr(random, "_inst").seed  # noqa: B009 - likewise
    for name in ("_generate_time_safe", "_UuidCreate"):  # or else the system's library makes uuid1()
        setattr(uuid, name, None)

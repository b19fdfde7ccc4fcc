"""One line of the table, and how a sample becomes one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

SAMPLES = 5


@dataclass(frozen=True)
class Figure:
    """A median, the floor beside it, and from what they come. `spread` is the least and the most of the samples."""

    what: str
    value: float
    unit: str
    spread: tuple[float, float]
    floor_of: str = ""
    floor: float | None = None
    sample: str = ""


def figure(what: str, unit: str, samples: Sequence[float], **other: object) -> Figure:
    """The median of `samples` as a line; `other` are fields of Figure."""
    return Figure(what, median(samples), unit, (min(samples), max(samples)), **other)  # type: ignore[arg-type]


def in_turns(**samplers: Callable[[], float]) -> dict[str, list[float]]:
    """SAMPLES samples of each, taken in turns, so that a busy minute of the machine meets all alike."""
    taken: dict[str, list[float]] = {name: [] for name in samplers}
    for _ in range(SAMPLES):
        for name, sampler in samplers.items():
            taken[name].append(sampler())
    return taken

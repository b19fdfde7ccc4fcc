"""What came of a try, and when the next one is due."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from django.conf import settings
from django.utils import timezone

# Seconds after the first, second, ... try; the last for all that follow.
BACKOFF_SECONDS = (5.0, 30.0, 120.0, 600.0, 3600.0, 10_800.0, 21_600.0, 43_200.0)
JITTER = 0.2
MOST_RETRY_AFTER_SECONDS = 3600.0
GONE = 410
# Another try would end the same: an address that is never called, or nobody left for whom to sign.
NO_ACTOR = "no_actor"
HOPELESS = frozenset({"address_refused", "invalid_url", NO_ACTOR})


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer's status, the code of what went wrong, or both where an answer was no good after its head.

    `retry_after`: seconds that the receiver asks for.
    """

    status: int | None = None
    error: str = ""
    retry_after: float = 0.0

    @property
    def is_delivered(self) -> bool:
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_hopeless(self) -> bool:
        return self.status == GONE or self.error in HOPELESS

    def logged(self) -> dict[str, Any]:
        said = {"status": self.status, "error": self.error}
        return {name: value for name, value in said.items() if value}


def seconds_to_next(outcome: Outcome, tries: int) -> float | None:
    """Seconds until the next try after `tries` tries, the last of which was `outcome`; None: there is none."""
    if outcome.is_hopeless or tries >= settings.WEBHOOK_MAX_TRIES:
        return None
    pause = BACKOFF_SECONDS[min(tries, len(BACKOFF_SECONDS)) - 1]
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing
    return max(pause * spread, outcome.retry_after)


def retry_after(headers: Mapping[str, str]) -> float:
    """The seconds that `Retry-After` asks for, at most an hour; 0 without one, or for one that makes no sense."""
    given = next((value for name, value in headers.items() if name.lower() == "retry-after"), "").strip()
    if given.isascii() and given.isdecimal():
        return min(float(given[:9]), MOST_RETRY_AFTER_SECONDS)
    try:
        asked = (parsedate_to_datetime(given) - timezone.now()).total_seconds()
    except (ValueError, TypeError):  # no date, or one without a zone
        return 0.0
    return min(max(asked, 0.0), MOST_RETRY_AFTER_SECONDS)

"""When the next try is due."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from django.utils import timezone

from workflows.webhooks.outcome import BACKOFF_SECONDS, JITTER, Outcome, retry_after, seconds_to_next


@pytest.mark.parametrize("tries", range(1, 9))
def test_each_pause_is_longer_than_the_last_and_spread(tries: int) -> None:
    pause = BACKOFF_SECONDS[tries - 1]
    found = [seconds_to_next(Outcome(500), tries) or 0 for _ in range(50)]
    assert pause * (1 - JITTER) <= min(found) < max(found) <= pause * (1 + JITTER)


def test_the_last_pause_is_that_of_all_further_tries(settings: Any) -> None:
    settings.WEBHOOK_MAX_TRIES = 50
    assert (seconds_to_next(Outcome(500), 30) or 0) >= BACKOFF_SECONDS[-1] * (1 - JITTER)


def test_the_ninth_try_is_the_last(settings: Any) -> None:
    assert seconds_to_next(Outcome(error="timeout"), 8) is not None
    assert seconds_to_next(Outcome(error="timeout"), 9) is None


@pytest.mark.parametrize(
    "outcome", [Outcome(410), Outcome(error="address_refused"), Outcome(error="invalid_url"), Outcome(error="no_actor")]
)
def test_what_is_hopeless_is_tried_once(outcome: Outcome) -> None:
    assert seconds_to_next(outcome, 1) is None


def test_a_receiver_may_ask_for_more_time_than_the_pause() -> None:
    assert seconds_to_next(Outcome(429, retry_after=900.0), 1) == 900.0
    assert (seconds_to_next(Outcome(429, retry_after=1.0), 1) or 0) > 3


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("120", 120), ("0", 0), ("999999999999", 3600), ("", 0), ("-5", 0), ("soon", 0), ("1.5", 0), ("²", 0)],
)
def test_retry_after_is_seconds_up_to_an_hour(given: str, seconds: float) -> None:
    assert retry_after({"Retry-After": given}) == seconds


def test_retry_after_may_be_a_date() -> None:
    now = timezone.now()
    assert 500 < retry_after({"retry-after": format_datetime(now + timedelta(minutes=10), usegmt=True)}) <= 600
    assert retry_after({"retry-after": format_datetime(now - timedelta(days=1), usegmt=True)}) == 0
    assert retry_after({"retry-after": "Wed, 21 Oct 2099 07:28:00 -0000"}) in {0, 3600}
    assert retry_after({}) == 0

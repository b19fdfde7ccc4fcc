"""When a scheduled workflow is prompted: five cron fields, in UTC unless a time zone stands before them. Pure.

0 7 * * 1-5                             weekdays at seven, UTC
CRON_TZ=Europe/Berlin 0 7 * * mon-fri   weekdays at seven in Berlin
"""

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from celery.schedules import ParseException, crontab

PREFIX = "CRON_TZ="


@dataclass(frozen=True, slots=True)
class Schedule:
    """`fields`: minute, hour, day of month, month, day of week (0 or sun to 6 or sat)."""

    fields: tuple[str, str, str, str, str]
    zone: ZoneInfo

    @property
    def crontab(self) -> crontab:
        """For Celery; it reads the fields in the zone of its own app, so the caller converts to `zone`."""
        return crontab.from_string(" ".join(self.fields))


def parse_schedule(text: str) -> Schedule:
    """Raises ValueError with one sentence."""
    words = text.split()
    zone_name = words.pop(0).removeprefix(PREFIX) if words and words[0].startswith(PREFIX) else "UTC"
    try:
        zone = ZoneInfo(zone_name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"{zone_name[:80]!r} is not a time zone such as Europe/Berlin") from error
    if len(words) != 5:
        raise ValueError("a schedule has five fields: minute, hour, day of month, month, day of week")
    minute, hour, day, month, weekday = words
    schedule = Schedule((minute, hour, day, month, weekday), zone)
    try:
        _ = schedule.crontab
    except (ValueError, ParseException) as error:
        raise ValueError(f"the schedule cannot be read: {error}") from error
    return schedule

"""Time as the database tells it, so that machines with different clocks agree about a lease."""

from datetime import UTC, datetime
from typing import Any

from django.db.models import DateTimeField, Func


class DatabaseNow(Func):
    """The database's clock at execution, `seconds` later (negative: earlier).

    PostgreSQL: `statement_timestamp()`, which unlike `now()` moves within a transaction and unlike `clock_timestamp()`
    may be looked up in an index. SQLite: milliseconds, in the text form in which Django stores datetimes, so that a
    comparison of texts is one of instants.
    """

    output_field = DateTimeField()

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds

    def as_sql(  # type: ignore[override]
        self, compiler: Any, connection: Any, **extra: Any
    ) -> tuple[str, list[Any]]:
        if connection.vendor == "postgresql":
            return "(statement_timestamp() + %s * interval '1 second')", [self.seconds]
        return "strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', %s)", [f"{self.seconds:+.3f} seconds"]


def iso(moment: datetime) -> str:
    """ISO 8601 in UTC with `Z`; fractions only where there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")

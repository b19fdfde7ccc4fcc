"""What streams read of the database, in one query each."""

from collections.abc import Collection
from dataclasses import dataclass

from django.db.models import F
from rest_framework.renderers import JSONRenderer

from workflows.api.runs import EventSerializer
from workflows.models import Event, Run

# An event has at most 64 KiB and a little: what a stream holds while its client does not read.
PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class Page:
    """Events as they go over the wire, and how the run stood when they were read.

    Every event up to `seen` is in the page or before it. `status` is empty where the page is.
    """

    text: bytes
    seen: int
    seq: int
    status: str


def read_page(run_id: str, after: int, known: int) -> Page:
    """The run's first PAGE_SIZE events behind `after`; those up to `known` have been stored."""
    rows = Event.objects.filter(run_id=run_id, seq__gt=after).order_by("seq")
    # The run with the events: its end and its last event are seen together.
    events = list(rows.annotate(run_seq=F("run__seq"), run_status=F("run__status"))[:PAGE_SIZE])
    if not events:
        return Page(b"", known, known, "")
    last = events[-1]
    seen = last.seq if len(events) == PAGE_SIZE else max(last.run_seq, known)
    return Page(b"".join(map(_written, events)), seen, last.run_seq, last.run_status)


def read_standings(run_ids: Collection[str]) -> dict[str, tuple[int, str]]:
    """`{run id: (seq, status)}` of those that exist."""
    rows = Run.objects.filter(pk__in=run_ids).values_list("pk", "seq", "status")
    return {run_id: (seq, status) for run_id, seq, status in rows}


def _written(event: Event) -> bytes:
    data: bytes = JSONRenderer().render(EventSerializer(event).data)  # one line: JSON escapes line breaks
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (event.seq, event.type.encode(), data)

"""Which application of the event loop answers a request, by its path and by what it accepts."""

import re

from gofannon.streams.protocol import App, Scope
from gofannon.streams.run_events import run_events

STREAMS: tuple[tuple[re.Pattern[str], App], ...] = ((re.compile(r"/api/runs/[^/]+/events"), run_events),)
EVENT_STREAM = "text/event-stream"


def stream_for(scope: Scope) -> App | None:
    """The stream that a GET asks for; None where it asks for a document."""
    if scope["method"] != "GET":
        return None
    found = next((stream for path, stream in STREAMS if path.fullmatch(scope["path"])), None)
    return found if found is not None and prefers_events(scope) else None


def prefers_events(scope: Scope) -> bool:
    """Whether the best of the request's media ranges is `text/event-stream`: by q, exact before wildcard, first named.

    `*/*` asks for a document.
    """
    header = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
    ranges = [_weighed(text) for text in header.split(",")]
    return max(ranges, key=lambda one: one[1:])[0] == EVENT_STREAM and max(one[1] for one in ranges) > 0


def _weighed(text: str) -> tuple[str, float, bool]:
    """A media range, its q and whether it is exact."""
    media, *parameters = (part.strip().lower() for part in text.split(";"))
    weight = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
    try:
        quality = min(float(weight), 1.0)
    except ValueError:
        quality = 0.0
    return media, quality, "*" not in media

"""What admits to streams: the views of the JSON endpoints, answering an admission in place of a document.

The URLs of a request to a stream. Authentication, permissions, visibility and refusals are those of the view that a
door is derived from, so that the two cannot drift apart.
"""

from typing import Any

from django.urls import re_path
from rest_framework.request import Request
from rest_framework.response import Response

from gofannon.lib.errors import ApiError
from gofannon.lib.rest import errors
from workflows.api.runs import RunViewSet

# More digits than a bigint holds name no event.
MAX_DIGITS = 18


class Admission(Response):
    """Who may listen to which run from which event on, and where the run stood."""

    user_id: str
    run_id: str
    after: int
    seq: int
    status: str


class RunDoor(RunViewSet):
    def get_queryset(self) -> Any:
        return super().get_queryset().select_related(None).only("pk", "seq", "status")

    def events(self, request: Request, pk: str) -> Response:  # type: ignore[override]
        """The admission to the run's events."""
        run = self.get_object()
        admission = Admission()
        admission.user_id = str(request.user.pk)
        admission.run_id, admission.seq, admission.status = run.pk, run.seq, run.status
        admission.after = _after(request)
        return admission


def _after(request: Request) -> int:
    """The seq behind which the stream goes on. A client that connects again sends the header with its first URL."""
    for name, given in (
        ("Last-Event-ID", request.headers.get("Last-Event-ID", "")),
        ("after", request.query_params.get("after", "")),
    ):
        if given:
            if not (given.isascii() and given.isdecimal() and len(given) <= MAX_DIGITS):
                raise ApiError("the number of an event is expected", code="invalid", path=name)
            return int(given)
    return 0


handler400 = errors.bad_request
handler404 = errors.not_found
handler500 = errors.server_error

urlpatterns = [re_path(r"^api/runs/(?P<pk>[^/\x00]+)/events$", RunDoor.as_view({"get": "events"}))]

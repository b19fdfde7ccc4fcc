"""`POST /api/agents/{name}/run` and `POST /rest/{name}`: run now, answer now; every run has its ticket."""

import re
import time
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing.api.authentication import HasScope
from billing.idempotency import once, replayed
from gofannon.lib import money
from gofannon.lib.connections import give_back_connection
from gofannon.lib.errors import Conflict
from gofannon.lib.rest.request_id import current_request_id
from tickets import actions
from tickets.api.places import place_of
from tickets.api.serializers import RunAccepted, RunAnswer, RunBody, RunRefused
from tickets.models import Ticket
from workflows import execution, inside
from workflows.models import Status

DEFAULT_WAIT_SECONDS = 30
MAX_WAIT_SECONDS = 120
_PREFERENCE = re.compile(r"\s*(respond-async|wait\s*=\s*\"?(?P<wait>\d{1,6})\"?)\s*", re.IGNORECASE)


def wait_of(request: Request) -> float:
    """Seconds to wait for the answer by `Prefer` (RFC 7240): `wait=N`, `respond-async` (0), else 30."""
    asynchronous, wait = False, None
    for part in request.headers.get("Prefer", "").split(","):
        match = _PREFERENCE.fullmatch(part)
        if match and match["wait"] is not None:
            wait = min(int(match["wait"]), MAX_WAIT_SECONDS)
        elif match:
            asynchronous = True
    if wait is not None:
        return float(wait)
    return 0.0 if asynchronous else float(DEFAULT_WAIT_SECONDS)


class RunView(APIView):
    """What both doors share: find, submit once, execute here or wait for a worker."""

    permission_classes = [IsAuthenticated, HasScope]
    action = "run"
    run_actions = idempotent_actions = ("run",)

    def answer(self, request: Request, name: str, values: dict[str, Any]) -> Response:
        with place_of(str(request.user.pk)) as free:
            return self._answer(request, name, values, wait_of(request) if free else 0.0)

    def _answer(self, request: Request, name: str, values: dict[str, Any], wait: float) -> Response:
        known = replayed(request, self._find)
        if known is not None:
            return self._again(known, wait)
        target = actions.find_target(actor=request.user, name=name)
        # A run that may outlast the wait is a worker's from the start, so that no web thread is bound to it.
        here = wait >= target.spec.limits.wall_seconds

        def submit() -> Ticket:
            return actions.submit_ticket(actor=request.user, target=target, claim=here, **values)

        ticket, made = once(request, submit, self._find)
        if not made:
            return self._again(ticket, wait)
        if ticket.run.status == Status.RUNNING and here:
            execution.execute(ticket.run)
        if not ticket.run.is_finished and wait:
            _await(ticket, wait)
        return self.shown(ticket)

    def _again(self, ticket: Ticket, wait: float) -> Response:
        """The answer to a POST whose key has made a ticket before."""
        if ticket.run.is_finished or not wait:
            return self.shown(ticket)
        raise Conflict(
            "the first request with this Idempotency-Key is still under way",
            code="in_flight",
            extra={"ticket_id": ticket.pk},
            headers={"Retry-After": "1"},
        )

    def _find(self, ticket_id: str) -> Ticket | None:
        return Ticket.objects.for_wire().filter(pk=ticket_id).first()

    def shown(self, ticket: Ticket) -> Response:
        if not ticket.run.is_finished:
            body = {"ticket_id": ticket.pk, "status": ticket.status.value}
            preferred = {"Location": f"/api/tickets/{ticket.pk}", "Preference-Applied": "respond-async"}
            return Response(body, status=202, headers=preferred)
        if ticket.run.error is not None:
            error = {**inside.error_for(self.request.user, ticket.run), "request_id": current_request_id.get()}
            return Response({"error": error, "ticket_id": ticket.pk}, status=422)
        return Response(self.output(ticket), headers={"Location": f"/api/tickets/{ticket.pk}"})

    def output(self, ticket: Ticket) -> Any:
        return {"ticket_id": ticket.pk, "output": ticket.run.output, "cost": money.to_usd(ticket.run.cost_nano)}


def _await(ticket: Ticket, seconds: float) -> None:
    """Looks at the run until it has ended or the time is over, ever less often."""
    deadline = time.monotonic() + seconds
    pause = 0.01
    while not ticket.run.is_finished and time.monotonic() < deadline:
        give_back_connection()
        time.sleep(min(pause, max(0.0, deadline - time.monotonic())))
        pause = min(pause * 1.5, 0.25)
        ticket.run.refresh_from_db()


_PREFER = OpenApiParameter(
    "Prefer", str, OpenApiParameter.HEADER, description="`respond-async`, or `wait=N` seconds before a 202"
)
_RESPONSES = {
    202: OpenApiResponse(RunAccepted, "Under way; `Location` is the ticket"),
    422: OpenApiResponse(RunRefused, "The run failed"),
}


class AgentRunView(RunView):
    @extend_schema(
        operation_id="agents_run",
        tags=["agents"],
        parameters=[_PREFER],
        request=RunBody,
        responses={200: RunAnswer, **_RESPONSES},
    )
    def post(self, request: Request, name: str) -> Response:
        """Runs what is deployed under a friendly name, or the draft of an agent's id (for its editors)."""
        body = RunBody(data=request.data)
        body.is_valid(raise_exception=True)
        return self.answer(request, name, body.validated_data)


class ValueRenderer(JSONRenderer):
    """Says `null` for None, which otherwise stands for no answer at all."""

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> Any:
        return b"null" if data is None else super().render(data, accepted_media_type, renderer_context)


class RestView(RunView):
    renderer_classes = [ValueRenderer]

    @extend_schema(
        operation_id="rest_run",
        tags=["agents"],
        parameters=[_PREFER],
        request=OpenApiTypes.ANY,
        responses={200: OpenApiTypes.ANY, **_RESPONSES},
    )
    def post(self, request: Request, name: str) -> Response:
        """The bare input in, the bare output out."""
        return self.answer(request, name, {"input": request.data})

    def output(self, ticket: Ticket) -> Any:
        return ticket.run.output

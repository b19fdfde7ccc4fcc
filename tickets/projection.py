"""The ticket that stands on a run, for those who tell of runs and know no tickets."""

from typing import Any

from tickets.api.serializers import TicketSerializer
from tickets.models import Ticket
from workflows.models import Run


def project(run: Run) -> tuple[str, dict[str, Any]] | None:
    """("ticket", what `GET /api/tickets/{id}` shows the run's actor); None for a run without a ticket."""
    ticket = Ticket.objects.for_wire().filter(run_id=run.pk).first()
    return None if ticket is None else ("ticket", dict(TicketSerializer(ticket, context={"to_actor": True}).data))

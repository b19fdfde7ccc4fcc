"""Tickets go with the runs that they show; one that a later ticket was a retry of leaves that one's `retry_of`."""

from tickets.models import Ticket


def delete_tickets_of_runs(run_ids: list[str]) -> None:
    Ticket.objects.filter(run_id__in=run_ids).delete()

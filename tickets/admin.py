from django.contrib import admin

from billing.document_admin import HistoryAdmin
from tickets.models import Ticket


@admin.register(Ticket)
class TicketAdmin(HistoryAdmin):
    list_display = ("id", "state", "agent", "actor", "created_at")
    list_filter = ("run__status",)
    list_select_related = ("run",)
    search_fields = ("id", "run__agent_id", "run__deployment_id")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)

    @admin.display(description="status")
    def state(self, ticket: Ticket) -> str:
        return ticket.status.label

    @admin.display(description="agent")
    def agent(self, ticket: Ticket) -> str:
        return ticket.run.deployment_id or ticket.run.agent_id

    @admin.display(description="asked by")
    def actor(self, ticket: Ticket) -> str:
        return ticket.run.actor_id or ""

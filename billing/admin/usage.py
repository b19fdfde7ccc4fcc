from django.contrib import admin

from billing.document_admin import HistoryAdmin
from billing.models import UsageEntry
from gofannon.lib import money


@admin.register(UsageEntry)
class UsageEntryAdmin(HistoryAdmin):
    list_display = ("user", "seq", "timestamp", "cost", "agent_id", "session_id")
    list_filter = ("timestamp",)
    search_fields = ("user__username", "agent_id", "session_id")
    ordering = ("-pk",)

    @admin.display(description="cost (USD)", ordering="cost_nano")
    def cost(self, entry: UsageEntry) -> str:
        return money.shown(entry.cost_nano)

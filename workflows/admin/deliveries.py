from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.document_admin import HistoryAdmin
from gofannon.lib.errors import ApiError
from workflows.models import Delivery
from workflows.webhooks import actions as webhooks


@admin.register(Delivery)
class DeliveryAdmin(HistoryAdmin):
    """What was told to webhooks. Read only, but for the replay."""

    list_display = ("id", "run_id", "url", "status", "attempts", "due_at", "created_at")
    list_filter = ("status",)
    search_fields = ("id", "run__id", "url")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    actions = ["replay_selected"]

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Whoever may change deliveries, had they anything to change."""
        user: Any = request.user
        return bool(user.has_perm("workflows.change_delivery"))

    @admin.action(description="Replay the selected deliveries", permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        replayed = 0
        for delivery in queryset:
            try:
                webhooks.replay_delivery(delivery=delivery)
                replayed += 1
            except ApiError as refusal:
                messages.error(request, f"{delivery.pk}: {refusal.message}")
        messages.success(request, f"{replayed} deliveries are sent again.")

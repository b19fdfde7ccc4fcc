from django.contrib import admin

from workflows.admin.growing import GrowingAdmin, RowAdmin
from workflows.models import Session, SessionMessage


@admin.register(Session)
class SessionAdmin(GrowingAdmin):
    list_display = ("__str__", "user", "agent", "message_count", "expires_at", "updated_at")
    search_fields = ("title", "=id")
    autocomplete_fields = ("agent",)
    readonly_fields = ("id", "user_id", "newest_messages", "version", "created_at", "updated_at")

    @admin.display(description="messages")
    def newest_messages(self, session: Session) -> str:
        return self.array(session, "messages")


@admin.register(SessionMessage)
class SessionMessageAdmin(RowAdmin):
    list_display = ("session_id", "seq", "timestamp", "role", "content")

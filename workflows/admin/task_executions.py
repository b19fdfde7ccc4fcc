from django.contrib import admin

from billing.document_admin import HistoryAdmin
from workflows.models import TaskExecution


@admin.register(TaskExecution)
class TaskExecutionAdmin(HistoryAdmin):
    list_display = ("id", "workflow_id", "status", "attempts", "created_at", "completed_at")
    list_filter = ("status",)
    search_fields = ("=id", "=workflow__id")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)

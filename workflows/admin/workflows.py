from django.contrib import admin
from django.utils.html import format_html

from workflows.admin.growing import GrowingAdmin, RowAdmin
from workflows.models import Workflow, WorkflowLog, WorkflowMessage


@admin.register(Workflow)
class WorkflowAdmin(GrowingAdmin):
    list_display = ("__str__", "agent", "owner", "status", "visibility", "updated_at")
    list_filter = ("status", "visibility", "output_format")
    search_fields = ("title", "=id")
    autocomplete_fields = ("agent", "owner", "team")
    readonly_fields = (
        "id",
        "status",
        "current_turn",
        "usage",
        "newest_messages",
        "newest_logs",
        "version",
        "created_at",
        "updated_at",
    )

    @admin.display
    def usage(self, workflow: Workflow) -> str:
        return format_html(
            "{} requests, {} tokens in, {} out, ${:}",
            workflow.usage_premium_req,
            workflow.usage_in_tok,
            workflow.usage_out_tok,
            f"{workflow.usage_cost_nano / 1e9:.6f}",
        )

    @admin.display(description="messages")
    def newest_messages(self, workflow: Workflow) -> str:
        return self.array(workflow, "messages")

    @admin.display(description="logs")
    def newest_logs(self, workflow: Workflow) -> str:
        return self.array(workflow, "logs")


@admin.register(WorkflowMessage)
class WorkflowMessageAdmin(RowAdmin):
    list_display = ("workflow_id", "seq", "role", "content")


@admin.register(WorkflowLog)
class WorkflowLogAdmin(RowAdmin):
    list_display = ("workflow_id", "seq", "timestamp", "event", "detail")

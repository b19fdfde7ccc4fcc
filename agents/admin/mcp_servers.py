from django.contrib import admin

from agents.models import McpServer
from billing.document_admin import DocumentAdmin


@admin.register(McpServer)
class McpServerAdmin(DocumentAdmin):
    list_display = ("name", "transport_type", "status", "owner", "visibility", "updated_at")
    list_filter = ("transport_type", "status", "visibility")
    search_fields = ("name",)
    autocomplete_fields = ("owner", "team")
    readonly_fields = ("status", "last_error", "tools", *DocumentAdmin.readonly_fields)

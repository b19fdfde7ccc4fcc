from django.contrib import admin

from agents.models import Guardrail
from billing.document_admin import DocumentAdmin


@admin.register(Guardrail)
class GuardrailAdmin(DocumentAdmin):
    list_display = ("name", "type", "owner", "visibility", "updated_at")
    list_filter = ("type", "visibility")
    search_fields = ("name", "description")
    autocomplete_fields = ("owner", "team")

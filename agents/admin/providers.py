from django.contrib import admin

from agents.models import Provider
from billing.document_admin import DocumentAdmin


@admin.register(Provider)
class ProviderAdmin(DocumentAdmin):
    list_display = ("name", "kind", "is_default", "owner", "visibility", "updated_at")
    list_filter = ("is_default", "visibility")
    search_fields = ("name",)
    autocomplete_fields = ("owner", "team")

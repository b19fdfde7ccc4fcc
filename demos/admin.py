from django.contrib import admin

from billing.document_admin import DocumentAdmin
from demos.models import Demo


@admin.register(Demo)
class DemoAdmin(DocumentAdmin):
    list_display = ("name", "id", "agent", "owner", "is_public", "visibility", "updated_at")
    list_filter = ("is_public", "visibility")
    chosen_id = True
    search_fields = ("name", "description", "=id")
    autocomplete_fields = ("agent", "owner", "team")

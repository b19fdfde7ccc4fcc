from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.document_admin import DocumentAdmin
from demos.models import Demo


@admin.register(Demo)
class DemoAdmin(DocumentAdmin):
    list_display = ("name", "id", "agent", "owner", "is_public", "visibility", "updated_at")
    list_filter = ("is_public", "visibility")
    # Imports keep references that lead nowhere: a join would hide such rows.
    list_select_related = ()
    search_fields = ("name", "description", "=id")
    autocomplete_fields = ("agent", "owner", "team")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).prefetch_related("agent", "owner")

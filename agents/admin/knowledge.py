from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agents.models import KnowledgeItem, KnowledgeSource
from billing.document_admin import DocumentAdmin, excerpt


@admin.register(KnowledgeSource)
class KnowledgeSourceAdmin(DocumentAdmin):
    list_display = ("name", "type", "status", "owner", "visibility", "updated_at")
    list_filter = ("type", "status", "visibility")
    search_fields = ("name",)
    autocomplete_fields = ("owner", "team")
    readonly_fields = ("status", "last_error", *DocumentAdmin.readonly_fields)


@admin.register(KnowledgeItem)
class KnowledgeItemAdmin(DocumentAdmin):
    list_display = ("id", "source", "beginning", "content_type", "updated_at")
    list_filter = ("content_type",)
    search_fields = ("content",)
    autocomplete_fields = ("source",)

    @admin.display(description="content")
    def beginning(self, item: KnowledgeItem) -> str:
        return excerpt(item.content)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "content" and field is not None:
            field.strip = False  # the text as it is, its line ends too
        return field

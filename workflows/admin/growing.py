"""Admin pages of documents with growing arrays."""

from typing import Any

from django.urls import reverse
from django.utils.html import format_html, format_html_join

from billing.document_admin import DocumentAdmin, HistoryAdmin, excerpt
from gofannon.lib.appending import newest


class GrowingAdmin(DocumentAdmin):
    """The list reads none of the arrays, a document's page their newest rows and leads to all."""

    def array(self, document: Any, name: str) -> str:
        """The newest rows of the array `name`, one a line, with a link to all."""
        if document is None or document._state.adding:
            return "-"
        relation = document._meta.get_field(name)
        meta = relation.related_model._meta
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist")
        count = getattr(document, document.GROWING[name])
        lines = format_html_join("", "<li>{}: {}</li>", (_summary(row) for row in newest(document, name)))
        link = format_html('<a href="{}?{}__id__exact={}">all {}</a>', url, relation.field.name, document.pk, count)
        return format_html('<ol start="{}">{}</ol>{}', max(1, count - 99), lines, link)


class RowAdmin(HistoryAdmin):
    """The rows of one array."""

    ordering = ("-id",)


def _summary(row: Any) -> tuple[str, str]:
    label, body = (row.event, row.detail) if hasattr(row, "event") else (row.role, row.content)
    return label, excerpt(str(body), 200)

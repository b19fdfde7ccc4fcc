from typing import Any

from django import forms
from django.contrib import admin

from agents.models import Token
from billing.document_admin import DocumentAdmin, DocumentForm


class TokenForm(DocumentForm):
    """The value goes in and is never shown; left empty, it stays."""

    value = forms.CharField(
        max_length=20_000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="shown nowhere afterwards; left empty, the stored one stays",
    )

    def clean_value(self) -> str:
        value: str = self.cleaned_data["value"]
        if not value and not self.instance.pk:
            raise forms.ValidationError("a token needs a value")
        return value

    def values(self) -> dict[str, Any]:
        found = super().values()
        value = found.pop("value")
        return {**found, **(Token.sealed(value) if value else {})}


@admin.register(Token)
class TokenAdmin(DocumentAdmin):
    form = TokenForm
    fields = ("name", "value", "owner", "team", "visibility", "hint", *DocumentAdmin.readonly_fields)
    list_display = ("name", "hint", "owner", "visibility", "updated_at")
    list_filter = ("visibility",)
    search_fields = ("name",)
    autocomplete_fields = ("owner", "team")
    readonly_fields = ("hint", *DocumentAdmin.readonly_fields)

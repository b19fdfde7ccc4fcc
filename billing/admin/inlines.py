"""Tables on other pages that are read, not written."""

from typing import Any

from django.http import HttpRequest
from unfold.admin import TabularInline

from billing.models import AccessKey, ProviderKey


class ReadOnlyInline(TabularInline):  # type: ignore[misc]
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ProviderKeyInline(ReadOnlyInline):
    """Keys are set by their user alone, and shown masked."""

    model = ProviderKey
    fields = ("provider", "hint", "created_at")
    readonly_fields = fields


class AccessKeyInline(ReadOnlyInline):
    """Each leads to its own page, where it is revoked."""

    model = AccessKey
    show_change_link = True
    fields = ("name", "hint", "scopes", "expires_at", "last_used_at", "revoked_at")
    readonly_fields = fields

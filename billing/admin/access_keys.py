from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.decorators import action

from billing import actions
from billing.document_admin import DocumentAdmin, DocumentForm
from billing.models import AccessKey, User
from billing.models.access_key import DEFAULT_SCOPES, SCOPES
from gofannon.lib.errors import ApiError


class AccessKeyForm(DocumentForm):
    scopes = forms.MultipleChoiceField(
        choices=[(scope, scope) for scope in SCOPES], initial=DEFAULT_SCOPES, widget=forms.CheckboxSelectMultiple
    )


@admin.register(AccessKey)
class AccessKeyAdmin(DocumentAdmin):
    """Shows a new key's secret once. Keys are revoked, never deleted."""

    form = AccessKeyForm
    list_display = ("name", "user", "hint", "expires_at", "last_used_at", "revoked_at")
    search_fields = ("name", "hint", "user__username")
    autocomplete_fields = ("user",)
    actions = ["revoke_selected"]
    actions_submit_line = ["revoke"]
    settled = ("user", "hint", "scopes", "expires_at", "last_used_at", "revoked_at")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        if obj is None:
            return ["user", "name", "scopes", "expires_at"]
        return ["name", *self.settled, *DocumentAdmin.readonly_fields, "expected_version"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return (*self.settled, *DocumentAdmin.readonly_fields) if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def make_document(self, request: HttpRequest, values: dict[str, Any]) -> AccessKey:
        user = User.objects.get(pk=values.pop("user_id"))
        maker: Any = request.user
        if user.pk != maker.pk and not maker.is_superuser:
            # Whoever holds a key is its user.
            raise ApiError(
                "only a superuser makes keys for others", code="permission_denied", path="user_id", status=403
            )
        key, secret = actions.create_access_key(user=user, **values)
        messages.warning(request, f"The new key, shown this once: {secret}")
        return key

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if change and "billing_accesskey_revoke" in request.POST:
            self.revoke(request, obj)

    @action(description="Revoke")  # type: ignore[untyped-decorator]
    def revoke(self, request: HttpRequest, access_key: AccessKey) -> None:
        actions.revoke_access_key(access_key=AccessKey.objects.get(pk=access_key.pk))
        messages.success(request, "The key is revoked.")

    @admin.action(description="Revoke the selected keys", permissions=["change"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[AccessKey]) -> None:
        for key in queryset:
            actions.revoke_access_key(access_key=key)
        messages.success(request, f"{queryset.count()} keys are revoked.")

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.forms import AdminPasswordChangeForm
from unfold.widgets import UnfoldAdminDecimalFieldWidget

from billing import actions
from billing.admin.inlines import AccessKeyInline, ProviderKeyInline
from billing.document_admin import DocumentAdmin, DocumentForm
from billing.models import User
from gofannon.lib import money

_AMOUNTS = ("monthly_allowance", "spend_remaining")


def _usd(label: str, least: int) -> forms.DecimalField:
    return forms.DecimalField(
        label=f"{label} (USD)",
        max_digits=19,
        decimal_places=9,
        min_value=least,
        max_value=money.MAX_USD,
        widget=UnfoldAdminDecimalFieldWidget,
    )


class UserForm(DocumentForm):
    """Shows amounts in USD."""

    monthly_allowance = _usd("monthly allowance", least=0)
    spend_remaining = _usd("spend remaining", least=-money.MAX_USD)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in _AMOUNTS:
            self.initial[name] = money.shown(getattr(self.instance, f"{name}_nano"))

    def values(self) -> dict[str, Any]:
        found = super().values()
        found.pop("groups", None)
        for name in _AMOUNTS:
            if name in found:
                found[f"{name}_nano"] = money.from_usd(found.pop(name))
        return found


@admin.register(User)
class UserAdmin(DocumentAdmin, DjangoUserAdmin):  # type: ignore[misc, type-arg]
    """Deleting a user anonymises. Only superusers say who is staff; passwords are set on Django's own page."""

    form = UserForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "display_name", "email", "plan", "is_active", "is_staff", "created_at")
    list_filter = ("is_active", "is_staff", "plan")
    search_fields = ("username", "display_name", "email")
    filter_horizontal = ("groups",)
    inlines = (ProviderKeyInline, AccessKeyInline)
    powers = ("is_staff", "is_superuser", "groups")
    readonly_fields = (  # type: ignore[misc]
        *DocumentAdmin.readonly_fields,
        "provider",
        "password_page",
        "last_login",
        "stripe_customer_id",
        "subscription_id",
        "last_reset",
        "usage_count",
    )
    add_fieldsets = (
        (None, {"fields": ("username", "display_name", "email", "picture_url")}),
        ("Plan", {"fields": ("plan", "monthly_allowance", "spend_remaining")}),
    )
    fieldsets = (
        (None, {"fields": ("username", "display_name", "email", "picture_url")}),
        ("Sign-in", {"fields": ("password_page", "provider", "last_login", "is_active", *powers)}),
        (
            "Plan",
            {
                "fields": (
                    "plan",
                    "billing_status",
                    "monthly_allowance",
                    "spend_remaining",
                    "last_reset",
                    "usage_count",
                    "stripe_customer_id",
                    "subscription_id",
                )
            },
        ),
        ("Document", {"fields": (*DocumentAdmin.readonly_fields, "expected_version")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return self.readonly_fields if _rules(request) else (*self.readonly_fields, *self.powers)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()

    @admin.display(description="password")
    def password_page(self, user: User) -> str:
        word = "change the password" if user.has_usable_password() else "no password; set one"
        return format_html('<a class="text-primary-600 dark:text-primary-500" href="../password/">{}</a>', word)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody but a superuser changes a superuser, whose password would be a way up."""
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or not obj.is_superuser or _rules(request))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or not obj.is_superuser or _rules(request))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The row stays, and so does all that refers to it."""
        return [str(user) for user in objs], {"users to anonymise": len(objs)}, set(), []

    def make_document(self, request: HttpRequest, values: dict[str, Any]) -> User:
        return actions.create_user(actor=request.user, values=values)

    def change_document(
        self, request: HttpRequest, document: User, values: dict[str, Any], expected: int | None
    ) -> None:
        actions.update_user(actor=request.user, user=document, values=values, expected_version=expected)

    def remove_document(self, request: HttpRequest, document: User) -> None:
        actions.anonymise_user(actor=request.user, user=document)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        super().save_related(request, form, formsets, change)
        if "groups" in form.cleaned_data:
            form.instance.groups.set(form.cleaned_data["groups"])


def _rules(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))

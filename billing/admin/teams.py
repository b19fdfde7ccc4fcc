from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from unfold.admin import TabularInline

from billing import actions
from billing.document_admin import DocumentAdmin, DocumentForm
from billing.models import Membership, Team


class TeamForm(DocumentForm):
    """Its members come from the table below it, so that one action writes both."""

    members: list[dict[str, str]]

    def values(self) -> dict[str, Any]:
        return {**super().values(), "members": self.members}


class MembershipInline(TabularInline):  # type: ignore[misc]
    model = Membership
    extra = 0
    autocomplete_fields = ("user",)


@admin.register(Team)
class TeamAdmin(DocumentAdmin):
    form = TeamForm
    list_display = ("name", "owner", "version", "created_at")
    search_fields = ("name",)
    autocomplete_fields = ("owner",)
    inlines = (MembershipInline,)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing yet: the members are known in `save_related`, which follows in the same transaction."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        rows = [row for formset in formsets for row in formset.cleaned_data if row and not row.get("DELETE")]
        form.members = [{"user_id": row["user"].pk, "role": row["role"]} for row in rows]
        super().save_model(request, form.instance, form, change)
        for formset in formsets:
            # What the page's history says of the table.
            formset.new_objects, formset.changed_objects, formset.deleted_objects = [], [], []

    def make_document(self, request: HttpRequest, values: dict[str, Any]) -> Team:
        return actions.create_team(actor=request.user, values=values)

    def change_document(
        self, request: HttpRequest, document: Team, values: dict[str, Any], expected: int | None
    ) -> None:
        actions.update_team(actor=request.user, team=document, values=values, expected_version=expected)

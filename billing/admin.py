from django.contrib import admin
from django.contrib.auth.models import Group
from unfold.admin import ModelAdmin

from billing.document_admin import DocumentAdmin, HistoryAdmin
from billing.models import AccessKey, Membership, ProviderKey, Team, UsageEntry, User


@admin.register(User)
class UserAdmin(DocumentAdmin):
    list_display = ("username", "display_name", "email", "plan", "is_staff", "created_at")
    search_fields = ("username", "display_name", "email")


@admin.register(Team)
class TeamAdmin(DocumentAdmin):
    list_display = ("name", "owner", "created_at")
    search_fields = ("name",)
    autocomplete_fields = ("owner",)

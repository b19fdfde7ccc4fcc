from django.contrib import admin

from agents.models import Skill, SkillVersion
from billing.document_admin import DocumentAdmin, HistoryAdmin


@admin.register(Skill)
class SkillAdmin(DocumentAdmin):
    list_display = ("name", "owner", "visibility", "version", "updated_at")
    list_filter = ("visibility",)
    search_fields = ("name", "description")
    autocomplete_fields = ("owner", "team")
    code_fields = ("instructions",)


@admin.register(SkillVersion)
class SkillVersionAdmin(HistoryAdmin):
    list_display = ("skill", "number", "name", "created_at")

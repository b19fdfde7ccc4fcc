from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from agents import actions
from agents.models import Agent, Deployment, DeploymentVersion, Snapshot
from billing.document_admin import DocumentAdmin, HistoryAdmin


@admin.register(Agent)
class AgentAdmin(DocumentAdmin):
    list_display = ("name", "kind", "friendly_name", "owner", "visibility", "version", "updated_at")
    list_filter = ("visibility", "runtime")
    search_fields = ("name", "friendly_name", "description")
    autocomplete_fields = ("owner", "team", "provider")
    code_fields = ("code", "system_prompt")


class VersionInline(admin.TabularInline[DeploymentVersion, Deployment]):
    model = DeploymentVersion
    extra = 0
    can_delete = False
    fields = readonly_fields = ("number", "snapshot", "created_by", "created_at")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Deployment)
class DeploymentAdmin(DocumentAdmin):
    list_display = ("id", "agent", "number", "visibility", "owner", "updated_at")
    list_filter = ("visibility",)
    search_fields = ("id", "agent__name")
    autocomplete_fields = ("owner", "team", "agent")
    inlines = (VersionInline,)
    chosen_id = True

    def make_document(self, request: HttpRequest, values: dict[str, Any]) -> Deployment:
        agent = Agent.objects.for_wire().get(pk=values["agent_id"])
        return actions.deploy_agent(
            actor=request.user, agent=agent, name=values["id"], visibility=values["visibility"], fresh=True
        )

    def change_document(
        self, request: HttpRequest, document: Deployment, values: dict[str, Any], expected: int | None
    ) -> None:
        agent_id = values.pop("agent_id", document.agent_id)
        super().change_document(request, document, values, expected)
        if agent_id != document.agent_id:
            agent = Agent.objects.for_wire().get(pk=agent_id)
            actions.deploy_agent(actor=request.user, agent=agent, name=document.pk)


@admin.register(Snapshot)
class SnapshotAdmin(HistoryAdmin):
    list_display = ("id", "agent_id", "created_at")
    search_fields = ("id", "agent_id")

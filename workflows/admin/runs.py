from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from billing.document_admin import HistoryAdmin
from workflows.models import Effect, Event, Lease, Run, Worker
from workflows.why import explain_run


@admin.register(Run)
class RunAdmin(HistoryAdmin):
    list_display = ("id", "kind", "status", "blocker", "attempt", "agent_id", "actor_id", "created_at")
    list_filter = ("status", "kind", "blocker")
    search_fields = ("id", "agent_id", "deployment_id")
    date_hierarchy = "created_at"
    ordering = ("-created_at",)
    readonly_fields = ("why",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return ["why", *(name for name in super().get_fields(request, obj) if name != "why")]

    @admin.display
    def why(self, run: Run) -> str:
        return explain_run(run.pk, None).message

    @admin.display(description="asked by")
    def actor_id(self, run: Run) -> str:
        return run.actor_id or ""


@admin.register(Lease)
class LeaseAdmin(HistoryAdmin):
    list_display = ("run_id", "holder", "attempt", "due_at")
    search_fields = ("run__id", "holder")
    ordering = ("due_at",)


@admin.register(Event)
class EventAdmin(HistoryAdmin):
    list_display = ("run_id", "seq", "type", "created_at")
    list_filter = ("type",)
    search_fields = ("run__id",)
    ordering = ("-id",)


@admin.register(Effect)
class EffectAdmin(HistoryAdmin):
    list_display = ("run_id", "call", "name", "effect_class", "status", "created_at")
    list_filter = ("status", "effect_class")
    search_fields = ("run__id", "name")
    ordering = ("-id",)


@admin.register(Worker)
class WorkerAdmin(HistoryAdmin):
    list_display = ("id", "role", "host", "pid", "started_at", "heard_at", "runtimes")
    list_filter = ("role",)
    ordering = ("-heard_at",)

    @admin.display(description="sandbox")
    def runtimes(self, worker: Worker) -> str:
        verdicts: dict[str, dict[str, Any]] = worker.sandbox
        return ", ".join(f"{name}: {'on' if found['available'] else 'off'}" for name, found in verdicts.items())

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from billing.document_admin import HistoryAdmin
from gofannon.lib.errors import ApiError
from workflows.approvals import decide_approval
from workflows.models import Approval, Decision


@admin.register(Approval)
class ApprovalAdmin(HistoryAdmin):
    """Read, and decided by the same action as the API's. `accept`, which needs a result, is the API's alone."""

    list_display = ("run", "call", "tool", "reason", "requested_at", "expires_at", "decision", "decided_by")
    list_filter = ("decision", "reason")
    list_select_related = ("effect",)
    search_fields = ("effect__run__id", "effect__name")
    ordering = ("-id",)
    actions = ("allow", "deny", "retry", "fail")

    def has_decide_permission(self, request: HttpRequest) -> bool:
        """Whoever may change approvals, had they anything else to change."""
        user: Any = request.user
        return bool(user.has_perm("workflows.change_approval"))

    @admin.display
    def run(self, approval: Approval) -> str:
        return approval.effect.run_id

    @admin.display
    def call(self, approval: Approval) -> str:
        return approval.effect.call

    @admin.display
    def tool(self, approval: Approval) -> str:
        return approval.effect.name

    @admin.action(description="Allow: make the call", permissions=["decide"])
    def allow(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        self._decide(request, queryset, Decision.ALLOW)

    @admin.action(description="Deny: tell the code that it was denied", permissions=["decide"])
    def deny(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        self._decide(request, queryset, Decision.DENY)

    @admin.action(description="Retry: make a call of unknown outcome once more", permissions=["decide"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        self._decide(request, queryset, Decision.RETRY)

    @admin.action(description="Fail: end the run", permissions=["decide"])
    def fail(self, request: HttpRequest, queryset: QuerySet[Approval]) -> None:
        self._decide(request, queryset, Decision.FAIL)

    def _decide(self, request: HttpRequest, approvals: Any, decision: Decision) -> None:
        done = 0
        for approval in approvals.select_related("effect"):
            try:
                decide_approval(actor=request.user, approval=approval, decision=decision.value)
                done += 1
            except ApiError as refusal:
                messages.error(request, f"{approval}: {refusal.message}")
        if done:
            messages.success(request, f"decided: {done}")

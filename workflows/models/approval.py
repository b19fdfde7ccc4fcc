"""Approvals: what a run asks a person before it goes on. Each is decided once."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from gofannon.lib.exact_json import ExactJSONField
from workflows.models.effect import Effect


class Decision(models.TextChoices):
    NONE = "", "not decided yet"
    ALLOW = "allow", "allow: make the call"
    DENY = "deny", "deny: the code is told `denied`"
    RETRY = "retry", "retry: make the call once more"
    ACCEPT = "accept", "accept: it happened, with this result"
    FAIL = "fail", "fail: the run ends"
    EXPIRED = "expired", "expired: nobody decided in time"


class Approval(models.Model):
    """A question about one call. `reason` decides which answers make sense (`OPTIONS`)."""

    class Reason(models.TextChoices):
        REQUIRED = "required", "the tool is only called with somebody's approval"
        UNKNOWN_OUTCOME = "unknown_outcome", "the call may have happened, and is not repeated by itself"

    OPTIONS = {
        Reason.REQUIRED: (Decision.ALLOW, Decision.DENY, Decision.FAIL),
        Reason.UNKNOWN_OUTCOME: (Decision.RETRY, Decision.ACCEPT, Decision.FAIL),
    }

    effect = models.ForeignKey(Effect, models.CASCADE, related_name="approvals")
    number = models.PositiveIntegerField(default=1, help_text="a call that was retried may be asked about again")
    reason = models.CharField(max_length=20, choices=Reason.choices)
    requested_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True)
    result = ExactJSONField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.DO_NOTHING, null=True, related_name="+", db_constraint=False
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["effect", "number"], name="approval_number")]
        indexes = [models.Index(fields=["requested_at", "id"], name="approval_requested")]

    def __str__(self) -> str:
        return f"{self.effect} {self.decision or 'undecided'}"

    @property
    def options(self) -> tuple[Decision, ...]:
        return self.OPTIONS[self.Reason(self.reason)]

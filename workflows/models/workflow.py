"""Workflows: an agent in a lasting conversation, prompted by people, programs or a schedule."""

from typing import Any
from urllib.parse import urlsplit

from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from billing.models import OwnedDocument
from gofannon.lib.documents import ListRow
from gofannon.lib.errors import ApiError, raise_all
from workflows.schedules import parse_schedule

MAX_TURNS = 10_000


class Usage(models.Model):
    """Abstract: what model calls have used so far. Written by the engine."""

    # Some plans bill fractions of a request.
    usage_premium_req = models.FloatField(default=0, editable=False, help_text="requests")
    usage_in_tok = models.PositiveBigIntegerField(default=0, editable=False)
    usage_out_tok = models.PositiveBigIntegerField(default=0, editable=False)
    usage_cache_read = models.PositiveBigIntegerField(default=0, editable=False, help_text="tokens")
    usage_cache_write = models.PositiveBigIntegerField(default=0, editable=False, help_text="tokens")
    usage_cost_nano = models.BigIntegerField(default=0, editable=False, help_text="nano-USD")

    class Meta:
        abstract = True


class Workflow(OwnedDocument, Usage):
    """`status`, `current_turn`, usage, messages and logs are the engine's; the rest is its users'."""

    KIND = "workflow"
    COLLECTION = "workflows"
    LISTS = ("skill_ids", "skill_tags", "guardrail_ids", "guardrail_tags")
    REFERENCES = {"agent_id": "agents.Agent", "skill_ids": "agents.Skill", "guardrail_ids": "agents.Guardrail"}
    CHILDREN = ("messages", "logs")
    GROWING = {"messages": "message_count", "logs": "log_count"}

    class Status(models.TextChoices):
        ACTIVE = "active", "active: waits for a prompt"
        RUNNING = "running", "running: an execution is under way"
        COMPLETED = "completed", "completed: the last prompt was answered"
        FAILED = "failed", "failed: the last execution failed"
        MAX_TURNS = "max_turns", "max_turns: the last prompt used up its tool rounds"

    class OutputFormat(models.TextChoices):
        MARKDOWN = "markdown", "Markdown"
        JSON = "json", "JSON, checked against the agent's output schema"

    class Effort(models.TextChoices):
        DEFAULT = "", "the model's own"
        MINIMAL = "minimal", "minimal"
        LOW = "low", "low"
        MEDIUM = "medium", "medium"
        HIGH = "high", "high"

    title = models.CharField(max_length=255, blank=True)
    agent = models.ForeignKey("agents.Agent", models.PROTECT, related_name="+", db_constraint=False)
    model = models.CharField(max_length=255, blank=True, help_text="instead of the agent's")
    reasoning_effort = models.CharField(max_length=10, choices=Effort.choices, default=Effort.DEFAULT, blank=True)
    max_turns = models.PositiveIntegerField(
        default=25, validators=[MinValueValidator(1)], help_text="tool-call rounds that one prompt may take"
    )
    current_turn = models.PositiveIntegerField(default=0, help_text="rounds of the last prompt so far")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ACTIVE, db_index=True)
    output_format = models.CharField(max_length=10, choices=OutputFormat.choices, default=OutputFormat.MARKDOWN)
    infinite_session = models.BooleanField(default=False, help_text="compacts the context instead of overflowing")
    caveman = models.BooleanField(default=False, help_text="terse output, compressed injected context")
    webhook_url = models.CharField(max_length=2000, blank=True, help_text="http or https; told of every ended prompt")
    schedule = models.CharField(
        max_length=160, blank=True, help_text="cron, in UTC: 0 7 * * 1-5; elsewhere: CRON_TZ=Europe/Berlin 0 7 * * 1-5"
    )
    message_count = models.PositiveBigIntegerField(default=0, editable=False)
    log_count = models.PositiveBigIntegerField(default=0, editable=False)

    def __str__(self) -> str:
        return self.title or self.pk

    def check_document(self, actor: Any) -> None:
        errors = []
        if self.changing("max_turns") and not 1 <= self.max_turns <= MAX_TURNS:
            errors.append(ApiError(f"between 1 and {MAX_TURNS}", code="invalid", path="max_turns"))
        if self.changing("webhook_url") and self.webhook_url and not _is_http_url(self.webhook_url):
            errors.append(ApiError("an http or https URL is expected", code="invalid_url", path="webhook_url"))
        if self.changing("schedule") and self.schedule:
            try:
                parse_schedule(self.schedule)
            except ValueError as error:
                errors.append(ApiError(str(error), code="invalid_schedule", path="schedule"))
        raise_all(errors)


class WorkflowRow(ListRow):
    document = models.ForeignKey(Workflow, models.CASCADE, related_name="rows")


class WorkflowMessage(models.Model):
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="messages")
    seq = models.PositiveBigIntegerField(help_text="1, 2, 3 ... per workflow")
    role = models.CharField(max_length=40, help_text="user, assistant, tool, system")
    content = models.JSONField(null=True, help_text="a text, or parts of one")
    tool_calls = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "seq"], name="workflow_message_seq")]

    def __str__(self) -> str:
        return f"{self.workflow_id} #{self.seq} {self.role}"


class WorkflowLog(models.Model):
    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="logs")
    seq = models.PositiveBigIntegerField(help_text="1, 2, 3 ... per workflow")
    timestamp = models.DateTimeField(default=timezone.now)
    event = models.CharField(max_length=255)
    detail = models.JSONField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["workflow", "seq"], name="workflow_log_seq")]

    def __str__(self) -> str:
        return f"{self.workflow_id} #{self.seq} {self.event}"


def _is_http_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return well_formed and url.isprintable() and " " not in url

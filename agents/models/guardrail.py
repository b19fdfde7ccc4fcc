"""Guardrails: what is checked around a run."""

from typing import Any

from django.db import models

from agents import specs
from billing.models import OwnedDocument
from gofannon.lib.documents import ListRow


class Guardrail(OwnedDocument):
    """After an import `type` and `config` may be another platform's; such a guardrail is not a valid spec."""

    KIND = "guardrail"
    COLLECTION = "guardrails"
    LISTS = ("tags",)

    class Type(models.TextChoices):
        PROMPT = "prompt", "prompt: what is asked"
        REQUEST = "request", "request: structured input"
        OUTPUT = "output", "output: what is answered"
        TOOL = "tool", "tool: calls and their results"

    name = models.CharField(max_length=255, db_index=True)
    description = models.TextField(blank=True)
    type = models.CharField(max_length=40, choices=Type.choices)
    config = models.JSONField(help_text='{"check": "regex", "action": "block", "points": [...], ...the check\'s own}')

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="guardrail_name_per_owner")]

    def check_document(self, actor: Any) -> None:
        if self.changing("type") or self.changing("config"):  # an import keeps what this version would refuse
            specs.parse_guardrail(self.type, self.config)


class GuardrailRow(ListRow):
    document = models.ForeignKey(Guardrail, models.CASCADE, related_name="rows")

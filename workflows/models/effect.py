"""Effects: every call that leaves a run (model, tool, host) is a row before it is dispatched."""

from django.db import models
from django.utils import timezone

from gofannon.lib.exact_json import ExactJSONField
from workflows.models.run import Run


class Effect(models.Model):
    class Class(models.TextChoices):
        PURE = "pure", "pure: may be repeated"
        KEYED = "keyed", "keyed: goes out again with the same key"
        UNSAFE = "unsafe", "unsafe: never repeated by itself"

    class Status(models.TextChoices):
        INTENT = "intent", "intent"
        DISPATCHED = "dispatched", "dispatched"
        SUCCEEDED = "succeeded", "succeeded"
        FAILED = "failed", "failed"
        UNKNOWN = "unknown", "unknown"

    run = models.ForeignKey(Run, models.CASCADE, related_name="effects")
    call = models.CharField(max_length=100, help_text="the call's id within the run")
    name = models.CharField(max_length=255)
    effect_class = models.CharField(max_length=10, choices=Class.choices, default=Class.UNSAFE)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.INTENT)
    attempt = models.PositiveIntegerField(help_text="the claim that wrote it")
    arguments = ExactJSONField(default=dict)
    result = ExactJSONField(null=True)
    error = models.JSONField(null=True)
    made_after = models.PositiveIntegerField(default=0, help_text="inputs that the code had been given by then")
    step = models.PositiveIntegerField(null=True, help_text="the input as which the code was given the answer")
    clock = models.FloatField(null=True, help_text="seconds on the run's clock when it was given")
    child = models.ForeignKey(
        Run, models.DO_NOTHING, null=True, related_name="+", db_constraint=False, help_text="the run that it called"
    )
    created_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "call"], name="effect_call")]

    def __str__(self) -> str:
        return f"{self.run_id} {self.name} {self.status}"

    @property
    def key(self) -> str:
        """The idempotency key of the call: the same in every attempt, another for every call."""
        return f"{self.run_id}:{self.call}"

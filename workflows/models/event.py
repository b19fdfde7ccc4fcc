"""Events: what happened in a run, in order, without gaps, never changed."""

from django.db import models
from django.utils import timezone

from workflows.models.run import Run


class Event(models.Model):
    run = models.ForeignKey(Run, models.CASCADE, related_name="events")
    seq = models.PositiveBigIntegerField(help_text="1, 2, 3 ... per run")
    type = models.CharField(max_length=40)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["run", "seq"], name="event_seq")]
        # Deltas are forgotten before anything else.
        indexes = [models.Index(fields=["id"], name="event_delta", condition=models.Q(type="delta"))]

    def __str__(self) -> str:
        return f"{self.run_id} #{self.seq} {self.type}"

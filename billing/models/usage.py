"""The history of what was spent: append-only rows, numbered per user."""

from django.conf import settings
from django.db import models
from django.utils import timezone


class UsageEntry(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="usage", db_constraint=False)
    seq = models.PositiveBigIntegerField(help_text="1, 2, 3 ... per user, without gaps")
    timestamp = models.DateTimeField(default=timezone.now)
    cost_nano = models.BigIntegerField(help_text="nano-USD")
    agent_id = models.CharField(max_length=255, blank=True)
    session_id = models.CharField(max_length=255, blank=True)
    run_id = models.CharField(max_length=255, blank=True, help_text="opaque here; a run's id")
    key = models.CharField(max_length=255, unique=True, help_text="makes a replayed charge free")

    class Meta:
        verbose_name_plural = "usage entries"
        constraints = [models.UniqueConstraint(fields=["user", "seq"], name="usage_seq_per_user")]

    def __str__(self) -> str:
        return f"{self.user_id} #{self.seq}"

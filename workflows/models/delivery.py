"""Deliveries: what a webhook is told, until its receiver has heard it."""

from django.db import models
from django.utils import timezone

from gofannon.lib import ids
from workflows.models.run import Run


class Delivery(models.Model):
    """At least once: sent again with backoff until the receiver answers 2xx, or `failed` after the last try."""

    HISTORY = True

    class Status(models.TextChoices):
        PENDING = "pending", "pending: will be sent when it is due"
        DELIVERED = "delivered", "delivered: the receiver answered 2xx"
        FAILED = "failed", "failed: given up"

    id = models.CharField(primary_key=True, max_length=ids.MAX_LENGTH, editable=False)
    run = models.ForeignKey(Run, models.CASCADE, related_name="deliveries")
    url = models.URLField(max_length=2000)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True, default=timezone.now, help_text="when it is sent next")
    log = models.JSONField(default=list, help_text="of each try: at, status or error")
    replay_of = models.ForeignKey("self", models.DO_NOTHING, null=True, related_name="+", db_constraint=False)
    created_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["due_at"], name="delivery_due", condition=models.Q(status="pending")),
            models.Index(fields=["created_at", "id"], name="delivery_created"),
        ]

    def __str__(self) -> str:
        return f"{self.id} to {self.url}"

    def save(self, *args: object, **kwargs: object) -> None:
        self.id = self.id or ids.new_id("delivery")
        super().save(*args, **kwargs)  # type: ignore[arg-type]

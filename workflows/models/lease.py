"""Leases: who works on which run until when. One narrow row for each unfinished run."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from gofannon.lib import ids
from workflows.models.run import Run


class Lease(models.Model):
    """`due_at` is the instant from which any worker may claim the run.

    A pending run is due now; a held one when the lease runs out; a sleeping one at its wake-up; one that waits for
    what its `blocker` names has none.
    """

    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="lease")
    holder = models.CharField(max_length=64, blank=True, help_text="the process that holds it")
    attempt = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True, db_index=True)
    lane = models.CharField(max_length=ids.MAX_LENGTH, blank=True, help_text="whose turn it is: the asking user's id")
    agent_id = models.CharField(max_length=ids.MAX_LENGTH, blank=True)
    turn_at = models.DateTimeField(default=timezone.now, help_text="of those that are due, the earliest goes first")
    knocks = models.PositiveIntegerField(default=0, help_text="wake-ups from outside so far")

    class Meta:
        indexes = [
            models.Index(fields=["holder"], name="lease_holder", condition=~Q(holder="")),
            models.Index(fields=["turn_at"], name="lease_turn", condition=Q(due_at__isnull=False)),
            models.Index(fields=["lane", "turn_at"], name="lease_lane", condition=Q(holder="")),
        ]

    def __str__(self) -> str:
        return f"{self.run_id} held by {self.holder or 'nobody'}"

"""Leases: who works on which run until when. One narrow row for each unfinished run."""

from django.db import models

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

    class Meta:
        indexes = [models.Index(fields=["holder"], name="lease_holder")]

    def __str__(self) -> str:
        return f"{self.run_id} held by {self.holder or 'nobody'}"

"""Checkpoints: the suspended interpreter of a waiting run, so that its code goes on instead of running again."""

from django.db import models

from workflows.models.run import Run


class Checkpoint(models.Model):
    run = models.OneToOneField(Run, models.CASCADE, primary_key=True, related_name="checkpoint")
    data = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.run_id} at {len(self.data)} bytes"

"""Workers: which processes were heard from, and when."""

from django.db import models


class Worker(models.Model):
    id = models.CharField(primary_key=True, max_length=64)
    role = models.CharField(max_length=10, help_text="web or worker")
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    heard_at = models.DateTimeField(db_index=True)
    sandbox = models.JSONField(default=dict, help_text="what each runtime said of itself")

    def __str__(self) -> str:
        return self.id

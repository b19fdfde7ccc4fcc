"""Subjects: what at most one run at a time works on (a session, a workflow, a name that the caller chose)."""

from django.db import models

# A kind, the longest id there is, and a name of somebody's own.
MAX_LENGTH = 400


class Subject(models.Model):
    """Its row is the lock under which runs on it begin and end."""

    id = models.CharField(primary_key=True, max_length=MAX_LENGTH)
    changes = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return self.id

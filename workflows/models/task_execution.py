"""Task executions: what each prompt of a workflow came to."""

from typing import Any, Self

from django.db import models

from gofannon.lib.documents import Document, DocumentQuerySet
from workflows.models.workflow import Usage, Workflow


class TaskExecutionQuerySet(DocumentQuerySet):
    def visible_to(self, user: Any) -> Self:
        """Who sees a workflow sees its executions."""
        if user.is_staff:
            return self
        return self.filter(workflow_id__in=Workflow.objects.visible_to(user).values("pk"))

    def editable_by(self, user: Any) -> Self:
        """An execution is made by prompting its workflow and written by the engine alone."""
        return self.none()


class TaskExecution(Document, Usage):
    """A document on a run; an imported one has none."""

    HISTORY = True
    KIND = "execution"
    COLLECTION = "task-executions"
    REFERENCES = {"workflow_id": "workflows.Workflow"}

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        RUNNING = "running", "running"
        COMPLETED = "completed", "completed"
        FAILED = "failed", "failed"

    workflow = models.ForeignKey(Workflow, models.CASCADE, related_name="executions", db_constraint=False)
    run = models.OneToOneField(
        "workflows.Run", models.DO_NOTHING, null=True, blank=True, related_name="execution", db_constraint=False
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    error = models.TextField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    prompt = models.TextField(blank=True)
    model = models.CharField(max_length=255, blank=True)
    worker = models.CharField(max_length=255, blank=True)
    attempts = models.PositiveIntegerField(default=0)
    response = models.JSONField(null=True, blank=True, help_text="a text, or JSON where the workflow asks for it")

    objects = TaskExecutionQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        indexes = [
            models.Index(fields=["workflow", "created_at"], name="execution_workflow_created"),
            models.Index(fields=["status", "created_at"], name="execution_status_created"),
        ]

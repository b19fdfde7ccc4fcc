"""Tickets: asynchronous jobs as callers see them, each a document on a run."""

from typing import Any, Self

from django.db import models

from gofannon.lib.documents import Document, DocumentQuerySet
from workflows.models import Run, Status


class TicketStatus(models.TextChoices):
    PENDING = "pending", "pending"
    PROCESSING = "processing", "processing"
    COMPLETED = "completed", "completed"
    FAILED = "failed", "failed"


RUN_STATUSES: dict[str, tuple[Status, ...]] = {
    TicketStatus.PENDING: (Status.PENDING,),
    TicketStatus.PROCESSING: (Status.RUNNING, Status.WAITING),
    TicketStatus.COMPLETED: (Status.COMPLETED,),
    TicketStatus.FAILED: (Status.FAILED, Status.CANCELLED),
}
STATUS_OF_RUN = {run_status: status for status, statuses in RUN_STATUSES.items() for run_status in statuses}


class TicketQuerySet(DocumentQuerySet):
    def visible_to(self, user: Any) -> Self:
        if user.is_staff:
            return self
        mine = models.Q(run__actor_id=user.pk) | models.Q(run__owner_id=user.pk) | models.Q(run__payer_id=user.pk)
        return self.filter(mine)

    def editable_by(self, user: Any) -> Self:
        return self.visible_to(user)

    def for_wire(self) -> Self:
        return self.select_related("run")


class Ticket(Document):
    HISTORY = True
    KIND = "ticket"
    COLLECTION = "tickets"

    run = models.OneToOneField(Run, models.PROTECT, related_name="ticket")
    webhook_url = models.URLField(max_length=2000, blank=True)
    retry_of = models.ForeignKey(
        "self", models.DO_NOTHING, null=True, blank=True, related_name="retries", db_constraint=False
    )

    objects = TicketQuerySet.as_manager()  # type: ignore[misc]

    @property
    def status(self) -> TicketStatus:
        return TicketStatus(STATUS_OF_RUN[Status(self.run.status)])

    @property
    def has_result(self) -> bool:
        """A result is there from completion on."""
        return self.run.finished_at is not None and self.run.error is None

"""Runs: every piece of work is one, whatever document shows it."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents.models import Snapshot
from gofannon.lib import ids
from gofannon.lib.exact_json import ExactJSONField
from workflows.models.subject import MAX_LENGTH as MAX_SUBJECT


class Status(models.TextChoices):
    PENDING = "pending", "pending: nobody has claimed it yet"
    RUNNING = "running", "running: a worker holds its lease"
    WAITING = "waiting", "waiting: for its wake-up or for what `blocker` names"
    COMPLETED = "completed", "completed"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


UNFINISHED = (Status.PENDING, Status.RUNNING, Status.WAITING)


class Blocker(models.TextChoices):
    """What an unfinished run without a lease and without a wake-up waits for."""

    NONE = "", "nothing"
    SLOT = "slot", "a free place in the sandbox"
    CHILD = "child", "a run that it called"
    QUEUED = "queued", "an earlier run on the same subject"
    APPROVAL = "approval", "somebody's approval"
    BUDGET = "budget", "money"
    PAUSED = "paused", "an operator"
    SERVER_DOWN = "server_down", "a server that does not answer"
    IMPORTED = "imported", "nobody: it was imported and is not run"


class RunQuerySet(models.QuerySet[Any]):
    def visible_to(self, user: Any) -> Self:
        """The actor, the agent's owner, the payer and staff.

        What a run calls is its agent's own affair: those runs are shown to the owner of the called agent and to staff.
        """
        if user.is_staff:
            return self
        asked = Q(parent=None) & (Q(actor_id=user.pk) | Q(payer_id=user.pk))
        return self.filter(asked | Q(owner_id=user.pk))

    def unfinished(self) -> Self:
        return self.filter(status__in=UNFINISHED)


def _user(related: str = "+") -> Any:
    """History survives its people: a run keeps the id of a user who was imported, renamed or anonymised.

    Its index is one of the pairs below; a second one would be written for nothing with every run.
    """
    return models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.DO_NOTHING,
        null=True,
        related_name=related,
        db_constraint=False,
        db_index=False,
    )


class Run(models.Model):
    """One piece of work. Written by `workflows.transitions` alone; `attempt` is the fencing token of every write."""

    HISTORY = True

    # Not stored: how this process came to hold it (leases.Claim), and whether it has made calls for it.
    claim: Any = None
    made_calls = False

    id = models.CharField(primary_key=True, max_length=ids.MAX_LENGTH, editable=False)
    kind = models.CharField(max_length=20, help_text="which runner executes it")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    attempt = models.PositiveIntegerField(default=0, help_text="claims so far; the fencing token")
    tries = models.PositiveIntegerField(default=0, help_text="claims since it last got on")
    max_attempts = models.PositiveIntegerField(default=5, help_text="tries without getting on before it is given up")
    seq = models.PositiveBigIntegerField(default=0, help_text="events so far")
    wake_at = models.DateTimeField(null=True, blank=True)
    blocker = models.CharField(max_length=20, choices=Blocker.choices, blank=True)
    blocker_detail = models.CharField(max_length=500, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    parent = models.ForeignKey("self", models.DO_NOTHING, null=True, related_name="children", db_constraint=False)
    depth = models.PositiveSmallIntegerField(default=0)
    root_id = models.CharField(max_length=ids.MAX_LENGTH, blank=True, help_text="of a called run: where it all began")
    called = models.PositiveIntegerField(default=0, help_text="runs that were called from here on down")
    actor = _user()
    owner = _user()
    payer = _user()

    agent_id = models.CharField(max_length=ids.MAX_LENGTH, blank=True)
    deployment_id = models.CharField(max_length=ids.MAX_LENGTH, blank=True)
    subject = models.CharField(max_length=MAX_SUBJECT, blank=True, help_text="what one run at a time works on")
    webhook_url = models.URLField(max_length=2000, blank=True, help_text="who is told of its end")
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, null=True, related_name="+", db_index=False)
    limits = models.JSONField(default=dict)
    runtime = models.CharField(max_length=10, blank=True, help_text="of the sandbox, once calls were made in it")
    seed = models.BigIntegerField(default=0, help_text="of the code's random numbers")

    input = ExactJSONField(null=True)
    output = ExactJSONField(null=True)
    error = models.JSONField(null=True, help_text="{code, message, permanent, partial?}")
    stdout = models.TextField(blank=True, help_text="what its code printed, the beginning")
    cost_nano = models.BigIntegerField(default=0, help_text="nano-USD")

    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["status", "created_at"], name="run_status_created"),
            models.Index(fields=["actor", "created_at"], name="run_actor_created"),
            models.Index(fields=["owner", "created_at"], name="run_owner_created"),
            models.Index(fields=["payer", "created_at"], name="run_payer_created"),
            models.Index(fields=["agent_id", "created_at"], name="run_agent_created"),
            models.Index(fields=["created_at", "id"], name="run_created"),
            models.Index(fields=["subject", "created_at"], name="run_subject", condition=~Q(subject="")),
            models.Index(fields=["finished_at"], name="run_finished", condition=Q(finished_at__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.id

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self.id:
            self.id = ids.new_id("run")
        super().save(*args, **kwargs)

    @property
    def is_finished(self) -> bool:
        return self.status not in UNFINISHED

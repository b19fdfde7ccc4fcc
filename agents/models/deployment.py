"""Deployments: names under which programs run agents, each with its history of immutable versions."""

import hashlib
import json
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone

from agents.models.agent import Agent, bad_name
from billing.models import OwnedDocument
from gofannon.lib import ids


class Snapshot(models.Model):
    """An agent as it stood: all that a run needs, found by the hash of its content and never changed."""

    id = models.CharField(primary_key=True, max_length=64, help_text="SHA-256 of the canonical JSON")
    agent_id = models.CharField(max_length=ids.MAX_LENGTH, db_index=True)
    spec = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.id[:12]

    @classmethod
    def of(cls, spec: dict[str, Any]) -> Self:
        """The snapshot of `spec`, stored once however often it is asked for."""
        text = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        digest = hashlib.sha256(text.encode()).hexdigest()
        snapshot, _ = cls.objects.get_or_create(pk=digest, defaults={"agent_id": spec["agent_id"], "spec": spec})
        return snapshot


class Deployment(OwnedDocument):
    """`id` is the friendly name; `number` the version that answers now."""

    KIND = "deployment"
    COLLECTION = "deployments"
    REFERENCES = {"agent_id": "agents.Agent"}
    PREFETCHES = ("versions",)

    agent = models.ForeignKey(Agent, models.PROTECT, related_name="deployments", db_constraint=False)
    number = models.PositiveIntegerField(default=0, editable=False)
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, null=True, editable=False, related_name="+")

    def check_document(self, actor: Any) -> None:
        if not ids.is_friendly_name(self.pk):
            raise bad_name(self.pk, path="_id")


class DeploymentVersion(models.Model):
    deployment = models.ForeignKey(Deployment, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    snapshot = models.ForeignKey(Snapshot, models.PROTECT, related_name="+")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", db_constraint=False
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["deployment", "number"], name="deployment_version_number")]

    def __str__(self) -> str:
        return f"{self.deployment_id} v{self.number}"

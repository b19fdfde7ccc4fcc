"""Teams: whose members see, or also edit, what is shared with them."""

from typing import Any, Self

from django.conf import settings
from django.db import models

from gofannon.lib.documents import Document, DocumentQuerySet


class TeamQuerySet(DocumentQuerySet):
    def visible_to(self, user: Any) -> Self:
        if user.is_staff:
            return self
        mine = Membership.objects.filter(user_id=user.pk).values("team_id")
        return self.filter(models.Q(owner_id=user.pk) | models.Q(pk__in=mine))

    def editable_by(self, user: Any) -> Self:
        return self if user.is_staff else self.filter(owner_id=user.pk)

    def for_wire(self) -> Self:
        return self.prefetch_related("memberships")


class Team(Document):
    KIND = "team"
    COLLECTION = "teams"

    name = models.CharField(max_length=255)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="owned_teams", db_constraint=False)

    objects = TeamQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="team_name_per_owner")]


class Membership(models.Model):
    class Role(models.TextChoices):
        VIEWER = "viewer", "viewer: reads and runs"
        EDITOR = "editor", "editor: edits and deploys too"

    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.team_id}"

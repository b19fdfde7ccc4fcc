"""Teams: whose members see, or also edit, what is shared with them."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models

from gofannon.lib.documents import Document, DocumentQuerySet
from gofannon.lib.errors import ApiError


class TeamQuerySet(DocumentQuerySet):
    def visible_to(self, user: Any) -> Self:
        if user.is_staff:
            return self
        return self.of(user)

    def of(self, user: Any, *roles: str) -> Self:
        """The teams that the user owns or is a member of (in one of `roles`, where any are given)."""
        memberships = Membership.objects.filter(user_id=user.pk, **({"role__in": roles} if roles else {}))
        return self.filter(models.Q(owner_id=user.pk) | models.Q(pk__in=memberships.values("team_id")))

    def editable_by(self, user: Any) -> Self:
        return self if user.is_staff else self.filter(owner_id=user.pk)


class Team(Document):
    KIND = "team"
    COLLECTION = "teams"
    PREFETCHES = ("memberships",)
    CHILDREN = ("members",)

    name = models.CharField(max_length=255, db_index=True)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="owned_teams", db_constraint=False)

    objects = TeamQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="team_name_per_owner")]

    @property
    def members(self) -> list["Membership"]:
        """In the order in which they were named; free where `memberships` were prefetched."""
        return sorted(self.memberships.all(), key=lambda membership: membership.pk)

    def check_document(self, actor: Any) -> None:
        """Any existing user may own a team, visible to the actor or not."""
        if not get_user_model().objects.filter(pk=self.owner_id).exists():
            message = f"there is no user {self.owner_id!r}"
            raise ApiError(message, code="unknown_reference", path="owner_id")

    def write_members(self, members: Iterable[Mapping[str, str]]) -> None:
        """Replaces the members by `[{"user_id", "role"}]`. The caller holds the transaction of the edit."""
        self.memberships.all().delete()
        Membership.objects.bulk_create(Membership(team=self, **member) for member in members)
        getattr(self, "_prefetched_objects_cache", {}).pop("memberships", None)

    def import_children(self, children: dict[str, Any]) -> None:
        self.write_members(children.get("members", []))


class Membership(models.Model):
    class Role(models.TextChoices):
        VIEWER = "viewer", "viewer: reads and runs"
        EDITOR = "editor", "editor: edits and deploys too"

    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    # An imported team may name a user that is not here.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="memberships", db_constraint=False)
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.VIEWER)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="one_membership_per_team")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.team_id}"

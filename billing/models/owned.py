"""Definitions: documents with an owner, shared with nobody, a team or everybody."""

from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from billing.models.team import Membership, Team
from gofannon.lib.documents import Document, DocumentQuerySet


class Visibility(models.TextChoices):
    PRIVATE = "private", "private: its owner"
    TEAM = "team", "team: its team's members"
    PUBLIC = "public", "public: every signed-in user"


class OwnedQuerySet(DocumentQuerySet):
    def visible_to(self, user: Any) -> Self:
        """Staff sees all; others their own, their teams' and what is public. Nobody anonymous sees anything."""
        if user.is_staff:
            return self
        if not user.is_authenticated:
            return self.none()
        teams = Team.objects.of(user).values("pk")
        return self.filter(
            Q(owner_id=user.pk) | Q(visibility=Visibility.PUBLIC) | Q(visibility=Visibility.TEAM, team_id__in=teams)
        )

    def editable_by(self, user: Any) -> Self:
        """Staff, the owner, and of what is shared with a team its owner and editors."""
        if user.is_staff:
            return self
        edited = Team.objects.of(user, Membership.Role.EDITOR).values("pk")
        shared = Q(visibility__in=[Visibility.TEAM, Visibility.PUBLIC], team_id__in=edited)
        return self.filter(Q(owner_id=user.pk) | shared)


class OwnedDocument(Document):
    """Abstract. What a user defines; `archived_at` hides it and stops new runs."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_constraint=False)
    team = models.ForeignKey(Team, models.PROTECT, related_name="+", null=True, blank=True, db_constraint=False)
    visibility = models.CharField(max_length=10, choices=Visibility.choices, default=Visibility.PRIVATE, db_index=True)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Whether its owner alone, or staff, deletes and archives it: what hangs on it is more than a team's editors see.
    OWNER_DELETES: ClassVar[bool] = False

    objects = OwnedQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        abstract = True

    def owned_by(self, user: Any) -> bool:
        """Whether the user may give it away: its owner and staff, but no editor."""
        return bool(user.is_staff) or user.pk == self.owner_id

    def editable_by(self, user: Any) -> bool:
        return type(self).objects.filter(pk=self.pk).editable_by(user).exists()

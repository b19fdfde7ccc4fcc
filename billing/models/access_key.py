"""Access keys: how programs sign in. Stored hashed, shown once."""

import hashlib
import secrets
from typing import Any, Self

from django.conf import settings
from django.db import models

from gofannon.lib.documents import Document, DocumentQuerySet

PREFIX = "gfn_"
SCOPES = ("read", "run", "write", "admin")
DEFAULT_SCOPES = ("read", "run", "write")


class AccessKeyQuerySet(DocumentQuerySet):
    def visible_to(self, user: Any) -> Self:
        return self if user.is_staff else self.filter(user_id=user.pk)

    def editable_by(self, user: Any) -> Self:
        return self.visible_to(user)


class AccessKey(Document):
    KIND = "key"
    COLLECTION = "access-keys"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="access_keys")
    name = models.CharField(max_length=255)
    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the key")
    hint = models.CharField(max_length=40, editable=False)
    scopes = models.JSONField(default=list, help_text="of read, run, write, admin")
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = AccessKeyQuerySet.as_manager()  # type: ignore[misc]

    @staticmethod
    def fresh_secret() -> str:
        """256 random bits behind the prefix; so much entropy needs no slow hash."""
        return PREFIX + secrets.token_urlsafe(32)

    @staticmethod
    def digest_of(secret: str) -> str:
        return hashlib.sha256(secret.encode()).hexdigest()

"""A user's webhook secret: what signs every webhook that tells of their runs. Shown once, when it is made."""

import base64
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from gofannon.lib import sealed

PREFIX = "whsec_"
# So long a rotated secret still signs beside its successor, so that the receiver may change in between.
OVERLAP = timedelta(hours=24)


class WebhookSecret(models.Model):
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, primary_key=True, related_name="webhook_secret"
    )
    value = sealed.SealedField(editable=False)
    hint = models.CharField(max_length=40, help_text="the masked secret")
    created_at = models.DateTimeField(default=timezone.now)
    previous = sealed.SealedField(editable=False, null=True)  # type: ignore[misc]
    previous_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.hint

    @staticmethod
    def make() -> str:
        """A new secret in the form of Standard Webhooks: `whsec_` and 32 random bytes in base64."""
        return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()

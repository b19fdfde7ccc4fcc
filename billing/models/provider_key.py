"""A user's own key of a model provider: sealed, shown masked, it takes precedence over the platform's."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from gofannon.lib.crypto import SealedField


class ProviderKey(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="provider_keys")
    provider = models.CharField(max_length=40, help_text="openai, anthropic, gemini, perplexity, ...")
    value = SealedField()
    hint = models.CharField(max_length=40, help_text="the masked key")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "provider"], name="one_key_per_provider")]

    def __str__(self) -> str:
        return f"{self.provider} {self.hint}"

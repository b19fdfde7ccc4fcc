"""A user's own key of a model provider: sealed, shown masked, it takes precedence over the platform's."""

import re

from django.conf import settings
from django.db import models
from django.utils import timezone

from gofannon.lib import sealed

# Shown for every user, set or not; others appear once they are set.
KNOWN = ("openai", "anthropic", "gemini", "perplexity")
_PROVIDER = re.compile(r"[a-z][a-z0-9_]{0,31}")
_SUFFIX = "_api_key"
_VALUE = re.compile(r"[\x21-\x7e]{1,4000}")
_MASKED = re.compile(r".{3}\.\.\..{4}")


def is_provider(name: str) -> bool:
    return _PROVIDER.fullmatch(name) is not None


def wire_name(provider: str) -> str:
    """`openai_api_key` of `openai`."""
    return provider + _SUFFIX


def provider_of(name: str) -> str | None:
    """`openai` of `openai_api_key`; None where the name is none of ours."""
    provider = name.removesuffix(_SUFFIX)
    return provider if provider != name and is_provider(provider) else None


def is_masked(value: str) -> bool:
    """Whether `value` looks like the mask of a key rather than like a key."""
    return _MASKED.fullmatch(value) is not None


def problem(value: object) -> str | None:
    """Why `value` is no key, in words that do not repeat it; None where it may be one."""
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        return "a key is 1 to 4000 printable ASCII characters without spaces"
    return "a masked key is no key" if is_masked(value) else None


class ProviderKey(models.Model):
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="provider_keys")
    provider = models.CharField(max_length=40, help_text="openai, anthropic, gemini, perplexity, ...")
    value = sealed.SealedField(editable=False)
    hint = models.CharField(max_length=40, help_text="the masked key")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "provider"], name="one_key_per_provider")]

    def __str__(self) -> str:
        return f"{self.provider} {self.hint}"

    @classmethod
    def put(cls, user_id: str, provider: str, secret: str) -> "ProviderKey":
        """Stores the user's key of the provider in the place of the last one."""
        values = {"value": sealed.seal(secret), "hint": sealed.mask(secret), "created_at": timezone.now()}
        key, _ = cls.objects.update_or_create(user_id=user_id, provider=provider, defaults=values)
        return key

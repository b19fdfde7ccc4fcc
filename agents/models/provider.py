"""Providers: who answers as a model."""

from typing import Any

from django.db import models

from agents import specs
from agents.models.parts import require_staff
from agents.models.token import TokenHolder
from gofannon.lib import ids
from gofannon.lib.documents import ListRow
from gofannon.lib.errors import Conflict


class Provider(TokenHolder):
    KIND = "provider"
    COLLECTION = "providers"
    CONFIG = "config"

    name = models.CharField(max_length=255, db_index=True)
    config = models.JSONField(help_text='{"kind": "openai", "token": "<token id>", "default_model": "...", ...}')
    is_default = models.BooleanField(default=False, help_text="asked where an agent names none; one per owner")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="provider_name_per_owner"),
            models.UniqueConstraint(fields=["owner"], condition=models.Q(is_default=True), name="one_default_provider"),
        ]

    @property
    def kind(self) -> str:
        return str(self.config.get("kind", ""))

    def token_references(self) -> list[tuple[str, str]]:
        """The key's token alone: a script's replies may speak of tokens too."""
        token_id = self.config.get("token")
        fits = isinstance(token_id, str) and 0 < len(token_id) <= ids.MAX_LENGTH
        return [("config.token", token_id)] if fits else []

    def check_document(self, actor: Any) -> None:
        if self.changing("config"):
            specs.parse_provider(self.config)
        if self.config.get("base_url") is not None:
            require_staff(actor, "addresses of their own", "config.base_url")
        if self.config.get("prices"):  # who sets the prices decides what a run costs its payer
            require_staff(actor, "prices", "config.prices")
        self.check_tokens(actor)
        others = Provider.objects.filter(owner_id=self.owner_id, is_default=True).exclude(pk=self.pk)
        if self.is_default and (other := others.first()):
            raise Conflict(f"{other.name} is the default already", code="duplicate", path="is_default")


class ProviderRow(ListRow):
    document = models.ForeignKey(Provider, models.CASCADE, related_name="rows")

"""Demos: pages on which the public tries an agent, at its owner's expense."""

import re
from typing import Annotated, Any, Literal, Self, get_args

from django.db import models
from pydantic import AfterValidator, Field

from agents.specs.base import Spec, invalid, parse
from billing.models import OwnedDocument, OwnedQuerySet
from gofannon.lib.errors import ApiError

_ID = re.compile(r"[a-z0-9_][a-z0-9_-]{0,62}")

Theme = Literal["light", "dark", "auto"]
Feature = Literal["markdown", "code_highlighting", "streaming", "copy", "restart"]


def _check_distinct(features: list[str]) -> list[str]:
    if len(set(features)) != len(features):
        raise invalid("names an entry twice", "duplicate")
    return features


class DemoConfig(Spec):
    """How the page looks and what it offers; `max_messages` is the visitor's share of one conversation."""

    theme: Theme = "auto"
    max_messages: int = Field(default=50, ge=1, le=1000)
    features: Annotated[list[Feature], AfterValidator(_check_distinct)] = list(get_args(Feature))


def default_config() -> dict[str, Any]:
    return DemoConfig().model_dump()


class DemoQuerySet(OwnedQuerySet):
    def visible_to(self, user: Any) -> Self:
        """A public demo is everybody's to see, signed in or not."""
        if user.is_staff:
            return self
        return super().visible_to(user) | self.filter(is_public=True)


class Demo(OwnedDocument):
    """After an import `config` may be another platform's; such a demo is not a valid DemoConfig."""

    KIND = "demo"
    COLLECTION = "demos"
    REFERENCES = {"agent_id": "agents.Agent"}

    name = models.CharField(max_length=255, db_index=True)
    description = models.TextField(blank=True)
    agent = models.ForeignKey("agents.Agent", models.PROTECT, related_name="+", db_constraint=False)
    config = models.JSONField(
        default=default_config, blank=True, help_text='{"theme": "auto", "max_messages": 50, "features": [...]}'
    )
    is_public = models.BooleanField(default=False, db_index=True, help_text="anybody may open it, without signing in")

    objects = DemoQuerySet.as_manager()  # type: ignore[misc]

    def check_document(self, actor: Any) -> None:
        if self._state.adding and self.pk and not _ID.fullmatch(self.pk):
            message = "1 to 63 lower-case letters, digits, underscores and hyphens (not first) are expected"
            raise ApiError(message, code="invalid_name", path="_id")
        if self.changing("config"):
            parse(DemoConfig, self.config, "config")

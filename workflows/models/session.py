"""Chat sessions: a user's conversation with an agent."""

from ipaddress import ip_address
from typing import Annotated, Any, Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from pydantic import AfterValidator, Field

from agents.specs.base import Name, Spec, invalid, parse
from gofannon.lib.documents import Document, DocumentQuerySet, ListRow

MAX_TAGS = 100


def _check_ip(address: str) -> str:
    try:
        ip_address(address)
    except ValueError as error:
        raise invalid("an IPv4 or IPv6 address is expected", "invalid_ip") from error
    return address


def _check_distinct(tags: list[str]) -> list[str]:
    if len(set(tags)) != len(tags):
        raise invalid("names an entry twice", "duplicate")
    return tags


class Metadata(Spec):
    """What a client says about a session."""

    ip_address: Annotated[str, AfterValidator(_check_ip)] | None = None
    user_agent: str = Field(default="", max_length=1000)
    tags: Annotated[list[Name], Field(max_length=MAX_TAGS), AfterValidator(_check_distinct)] = []


def empty_metadata() -> dict[str, Any]:
    return Metadata().model_dump()


class SessionQuerySet(DocumentQuerySet):
    def visible_to(self, user: Any) -> Self:
        """The user's own; staff sees all."""
        return self if user.is_staff else self.filter(user_id=user.pk)

    def editable_by(self, user: Any) -> Self:
        return self.visible_to(user)


class Session(Document):
    """`rows` index the metadata's tags."""

    KIND = "session"
    COLLECTION = "sessions"
    REFERENCES = {"user_id": "billing.User", "agent_id": "agents.Agent"}
    CHILDREN = ("messages",)
    GROWING = {"messages": "message_count"}

    title = models.CharField(max_length=255, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, related_name="+", db_constraint=False, editable=False
    )
    agent = models.ForeignKey("agents.Agent", models.PROTECT, related_name="+", db_constraint=False)
    metadata = models.JSONField(
        default=empty_metadata, blank=True, help_text='{"ip_address": null, "user_agent": "", "tags": []}'
    )
    expires_at = models.DateTimeField(null=True, blank=True, help_text="forgotten from then on", db_index=True)
    message_count = models.PositiveBigIntegerField(default=0, editable=False)

    objects = SessionQuerySet.as_manager()  # type: ignore[misc]

    def __str__(self) -> str:
        return self.title or self.pk

    def check_document(self, actor: Any) -> None:
        if self.changing("metadata"):
            parse(Metadata, self.metadata, "metadata")

    def stored(self, *, created: bool) -> None:
        self.write_lists({"tags": self.tags})

    @property
    def tags(self) -> list[str]:
        """The tags that can be searched for; an import may carry others."""
        tags = self.metadata.get("tags")
        return [tag for tag in tags if isinstance(tag, str)][:MAX_TAGS] if isinstance(tags, list) else []


class SessionRow(ListRow):
    document = models.ForeignKey(Session, models.CASCADE, related_name="rows")


class SessionMessage(models.Model):
    session = models.ForeignKey(Session, models.CASCADE, related_name="messages")
    seq = models.PositiveBigIntegerField(help_text="1, 2, 3 ... per session")
    role = models.CharField(max_length=40, help_text="user, assistant, tool, system")
    content = models.JSONField(null=True, help_text="a text, or parts of one")
    timestamp = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["session", "seq"], name="session_message_seq")]

    def __str__(self) -> str:
        return f"{self.session_id} #{self.seq} {self.role}"

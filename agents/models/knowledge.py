"""Knowledge: sources, and the items that they contain."""

import re
from typing import Any, Self

from django.db import models

from agents import specs
from agents.models.parts import require_staff
from agents.models.token import TokenHolder
from gofannon.lib.documents import Document, DocumentQuerySet, ListRow
from gofannon.lib.errors import ApiError, raise_all

MAX_CONTENT = 1_000_000
_MIME = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+(;\s*[\w-]+=[\w.-]+)*", re.ASCII)


class KnowledgeSource(TokenHolder):
    KIND = "source"
    COLLECTION = "knowledge-sources"
    LISTS = ("tags",)
    CONFIG = "connection_config"

    class Type(models.TextChoices):
        TEXT = "text", "text: items written here"
        FILE = "file", "file: below the knowledge directory"
        URL = "url", "URL"
        PGVECTOR = "pgvector", "pgvector: a table elsewhere (staff only)"

    class Status(models.TextChoices):
        REGISTERED = "registered"
        SYNCED = "synced"
        ERROR = "error"

    name = models.CharField(max_length=255, db_index=True)
    type = models.CharField(max_length=40, choices=Type.choices)
    connection_config = models.JSONField(
        default=dict,
        blank=True,
        help_text='text: {}; file: {"path"}; url: {"url", "headers"}; pgvector: {"connection", "table"}',
    )
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.REGISTERED, editable=False)
    last_error = models.TextField(blank=True, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="knowledge_source_name_per_owner")]

    def check_document(self, actor: Any) -> None:
        if self.type == self.Type.PGVECTOR:
            require_staff(actor, "connections to other databases", "type")
        if self.changing("type") or self.changing("connection_config"):
            specs.parse_knowledge(self.type, self.connection_config)
        self.check_tokens(actor)


class KnowledgeSourceRow(ListRow):
    document = models.ForeignKey(KnowledgeSource, models.CASCADE, related_name="rows")


class KnowledgeItemQuerySet(DocumentQuerySet):
    """An item is seen and changed through its source."""

    def visible_to(self, user: Any) -> Self:
        return self.filter(source__in=KnowledgeSource.objects.visible_to(user))

    def editable_by(self, user: Any) -> Self:
        return self.filter(source__in=KnowledgeSource.objects.editable_by(user))


class KnowledgeItem(Document):
    KIND = "item"
    COLLECTION = "knowledge-items"
    LISTS = ("tags",)
    REFERENCES = {"source_id": "agents.KnowledgeSource"}

    source = models.ForeignKey(KnowledgeSource, models.CASCADE, related_name="items", db_constraint=False)
    content = models.TextField()
    content_type = models.CharField(max_length=255, default="text/plain", help_text="a MIME type")

    objects = KnowledgeItemQuerySet.as_manager()  # type: ignore[misc]

    def __str__(self) -> str:
        return self.pk

    def check_document(self, actor: Any) -> None:
        errors = []
        if len(self.content) > MAX_CONTENT:
            errors.append(ApiError(f"at most {MAX_CONTENT} characters", code="max_length", path="content"))
        if not _MIME.fullmatch(self.content_type):
            errors.append(ApiError("a MIME type such as text/plain is expected", path="content_type"))
        raise_all(errors)
        if not KnowledgeSource.objects.filter(pk=self.source_id).editable_by(actor).exists():
            message = "you may read this source, not change it"
            raise ApiError(message, code="permission_denied", path="source_id", status=403)


class KnowledgeItemRow(ListRow):
    document = models.ForeignKey(KnowledgeItem, models.CASCADE, related_name="rows")

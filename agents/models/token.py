"""Tokens: secrets under a name. Stored sealed, shown masked, named by id in the configurations that need them."""

from typing import Any, ClassVar, Self

from django.db import models

from agents import specs
from agents.models.parts import users_of
from billing.models import OwnedDocument, OwnedQuerySet, Visibility
from gofannon.lib.errors import ApiError, raise_all
from gofannon.lib.sealed import SealedField, mask, seal


class TokenQuerySet(OwnedQuerySet):
    def usable_by(self, user: Any) -> Self:
        """Those that a definition of this user's may send somewhere: who only sees a token could else send it home."""
        return self.editable_by(user)


class Token(OwnedDocument):
    """`value` is None after an import that could not bring it along."""

    KIND = "token"
    COLLECTION = "tokens"
    OWNER_DELETES = True

    name = models.CharField(max_length=255, db_index=True)
    value = SealedField(null=True)  # type: ignore[misc]
    hint = models.CharField(max_length=40, blank=True, editable=False, help_text="the masked value")

    objects = TokenQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="token_name_per_owner")]

    @staticmethod
    def sealed(secret: str) -> dict[str, Any]:
        """The columns that hold a secret."""
        return {"value": seal(secret), "hint": mask(secret)}

    def check_document(self, actor: Any) -> None:
        if self.visibility == Visibility.PUBLIC:
            message = "a token is private, or its team's"
            raise ApiError(message, code="invalid_choice", path="visibility")

    def used_by(self) -> list[str]:
        models_ = ("KnowledgeSource", "McpServer", "Provider")
        return [user for model in models_ for user in users_of(model, "token_ids", self.pk)]


class TokenHolder(OwnedDocument):
    """Abstract. A definition whose JSON column `CONFIG` names tokens; its hidden list `token_ids` finds it by them."""

    CONFIG: ClassVar[str]

    class Meta:
        abstract = True

    def token_references(self) -> list[tuple[str, str]]:
        """(path, token id) of each token that the configuration names."""
        return specs.token_references(getattr(self, self.CONFIG), self.CONFIG)

    def check_tokens(self, actor: Any) -> None:
        """A changed configuration may send its tokens elsewhere, so whoever changes it needs the right to each one."""
        named = self.token_references()
        if not named or self._has_stored_config():
            return
        wanted = {token_id for _, token_id in named}
        usable = set(Token.objects.usable_by(actor).filter(pk__in=wanted).values_list("pk", flat=True))
        # The id is not repeated: a secret may have been written in its place.
        raise_all(
            [
                ApiError("there is no such token for you to use", code="unknown_reference", path=path)
                for path, token_id in named
                if token_id not in usable
            ]
        )

    def _has_stored_config(self) -> bool:
        rows = type(self).objects.filter(pk=self.pk)
        return any(config == getattr(self, self.CONFIG) for config in rows.values_list(self.CONFIG, flat=True))

    def stored(self, *, created: bool) -> None:
        token_ids = dict.fromkeys(token_id for _, token_id in self.token_references())
        self.write_lists({"token_ids": token_ids})

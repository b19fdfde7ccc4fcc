# mypy: allow-untyped-calls
from typing import Any

from factory.declarations import LazyAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from agents.models import Agent, Guardrail, KnowledgeItem, KnowledgeSource, McpServer, Provider, Token
from tests.factories.billing import UserFactory


class DocumentFactory(DjangoModelFactory[Any]):
    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        """The model's lists are given like its columns."""
        lists = {name: kwargs.pop(name) for name in model_class.LISTS if name in kwargs}
        document = super()._create(model_class, *args, **kwargs)
        document.write_lists(lists)
        document.stored(created=True)
        return document


class OwnedFactory(DocumentFactory):
    class Meta:
        abstract = True

    name = Sequence(lambda n: f"thing {n}")
    owner = SubFactory(UserFactory)


class AgentFactory(OwnedFactory):
    class Meta:
        model = Agent


class TokenFactory(OwnedFactory):
    class Meta:
        model = Token

    class Params:
        secret = "sk-factory-0123456789"

    value = LazyAttribute(lambda token: Token.sealed(token.secret)["value"])
    hint = LazyAttribute(lambda token: Token.sealed(token.secret)["hint"])


class McpServerFactory(OwnedFactory):
    class Meta:
        model = McpServer

    transport_type = "http"
    connection_config = {"url": "https://mcp.example.org/mcp"}


class GuardrailFactory(OwnedFactory):
    class Meta:
        model = Guardrail

    type = "prompt"
    config = {"check": "denylist", "action": "block", "words": ["forbidden"]}


class ProviderFactory(OwnedFactory):
    class Meta:
        model = Provider

    config = {"kind": "scripted"}


class KnowledgeSourceFactory(OwnedFactory):
    class Meta:
        model = KnowledgeSource

    type = "text"


class KnowledgeItemFactory(DocumentFactory):
    class Meta:
        model = KnowledgeItem

    source = SubFactory(KnowledgeSourceFactory)
    content = "water boils at 100 degrees"

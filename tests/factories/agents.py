from typing import Any

import factory

from agents.models import Agent, Guardrail, KnowledgeItem, KnowledgeSource, McpServer, Provider, Token
from tests.factories.billing import UserFactory


class OwnedFactory(factory.django.DjangoModelFactory[Any]):
    class Meta:
        abstract = True

    name = factory.Sequence(lambda n: f"thing {n}")
    owner = factory.SubFactory(UserFactory)

    @classmethod
    def _create(cls, model_class: Any, *args: Any, **kwargs: Any) -> Any:
        """The model's lists are given like its columns."""
        lists = {name: kwargs.pop(name) for name in model_class.LISTS if name in kwargs}
        document = super()._create(model_class, *args, **kwargs)
        document.write_lists(lists)
        document.stored(created=True)
        return document


class AgentFactory(OwnedFactory):
    class Meta:
        model = Agent


class TokenFactory(OwnedFactory):
    class Meta:
        model = Token

    class Params:
        secret = "sk-factory-0123456789"

    value = factory.LazyAttribute(lambda token: Token.sealed(token.secret)["value"])
    hint = factory.LazyAttribute(lambda token: Token.sealed(token.secret)["hint"])


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


class KnowledgeItemFactory(OwnedFactory):
    class Meta:
        model = KnowledgeItem
        exclude = ("name", "owner")

    name = None
    owner = None
    source = factory.SubFactory(KnowledgeSourceFactory)
    content = "water boils at 100 degrees"

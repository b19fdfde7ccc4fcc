# mypy: allow-untyped-calls
from factory.declarations import SelfAttribute, SubFactory

from demos.models import Demo
from tests.factories.agents import AgentFactory, OwnedFactory


class DemoFactory(OwnedFactory):
    class Meta:
        model = Demo

    agent = SubFactory(AgentFactory, owner=SelfAttribute("..owner"))

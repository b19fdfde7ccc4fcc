import factory

from demos.models import Demo
from tests.factories.agents import AgentFactory, OwnedFactory


class DemoFactory(OwnedFactory):
    class Meta:
        model = Demo

    agent = factory.SubFactory(AgentFactory, owner=factory.SelfAttribute("..owner"))

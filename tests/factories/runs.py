"""Code agents, deployed and to be run."""

from typing import Any

from agents import actions
from agents.models import Agent, Deployment
from billing import documents
from billing.models import User

ECHO = "def handler(event):\n    return event\n"


def make_agent(owner: User, code: str = ECHO, **fields: Any) -> Agent:
    values = {"name": fields.pop("name", "echo"), "code": code, **fields}
    return documents.create_document(actor=owner, model=Agent, values=values)


def deploy(owner: User, code: str = ECHO, name: str = "echo", **fields: Any) -> Deployment:
    """An agent of that code, deployed under `name`."""
    return actions.deploy_agent(actor=owner, agent=make_agent(owner, code, name=name, **fields), name=name)

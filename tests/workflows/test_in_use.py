"""What others name is not deleted."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from agents.models import Agent
from billing import documents
from billing.models import User
from gofannon.lib.errors import InUse
from tests.factories.agents import AgentFactory
from tests.factories.workflows import WorkflowFactory
from workflows.models import Workflow

pytestmark = pytest.mark.django_db

URL = "/api/workflows"


@pytest.fixture
def agent(owner: User) -> Agent:
    agent: Agent = AgentFactory.create(name="helper", owner=owner)
    return agent


@pytest.fixture
def workflow(owner: User, agent: Agent) -> Workflow:
    made: Workflow = WorkflowFactory.create(owner=owner, agent=agent)
    return made


def in_use(response: Any) -> list[str]:
    """The users that the refusal names."""
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (409, "in_use")
    users: list[str] = error["users"]
    return users


def test_an_agent_in_use_is_not_deleted(api: APIClient, workflow: Workflow, agent: Agent) -> None:
    response = api.delete(f"/api/agents/{agent.pk}")
    assert in_use(response) == [f"workflows/{workflow.pk}"]
    assert api.delete(f"{URL}/{workflow.pk}").status_code == 204
    assert api.delete(f"/api/agents/{agent.pk}").status_code == 204


def test_a_skill_in_use_is_not_deleted(api: APIClient, agent: Agent) -> None:
    skill = api.post("/api/skills", {"name": "weather"}).json()["_id"]
    made = api.post(URL, {"agent_id": agent.pk, "skill_ids": [skill]}).json()
    response = api.delete(f"/api/skills/{skill}")
    assert in_use(response) == [f"workflows/{made['_id']}"]


def test_users_that_the_actor_may_not_see_are_counted_not_named(owner: User, agent: Agent, stranger: User) -> None:
    mine = WorkflowFactory.create(owner=owner, agent=agent)
    WorkflowFactory.create(owner=stranger, agent=agent)
    with pytest.raises(InUse) as refused:
        documents.delete_document(actor=owner, document=agent)
    assert refused.value.extra == {"users": [mine.reference], "others": 1}
    assert refused.value.message == f"agents/{agent.pk} is in use by {mine.reference}, 1 that you cannot see"


def test_no_more_than_a_hundred_users_are_named(owner: User, agent: Agent) -> None:
    for _ in range(101):
        WorkflowFactory.create(owner=owner, agent=agent)
    assert len(documents.users_of(agent, owner)[0]) == 100

from typing import Any

import factory

from gofannon.lib.appending import append
from tests.factories.agents import AgentFactory, OwnedFactory
from tests.factories.billing import UserFactory
from workflows.models import Session, SessionMessage, TaskExecution, Workflow, WorkflowLog, WorkflowMessage


class WorkflowFactory(OwnedFactory):
    class Meta:
        model = Workflow
        exclude = ("name",)

    name = None
    agent = factory.SubFactory(AgentFactory, owner=factory.SelfAttribute("..owner"))


class SessionFactory(factory.django.DjangoModelFactory[Session]):
    class Meta:
        model = Session

    user = factory.SubFactory(UserFactory)
    agent = factory.SubFactory(AgentFactory, owner=factory.SelfAttribute("..user"))


class TaskExecutionFactory(factory.django.DjangoModelFactory[TaskExecution]):
    class Meta:
        model = TaskExecution

    workflow = factory.SubFactory(WorkflowFactory)


def say(parent: Workflow | Session, count: int) -> None:
    """Appends `count` messages whose contents are their numbers."""
    first: int = parent.message_count + 1
    model: Any = WorkflowMessage if isinstance(parent, Workflow) else SessionMessage
    append(parent, "messages", [model(role="user", content=str(n)) for n in range(first, first + count)])


def log(workflow: Workflow, count: int) -> None:
    first = workflow.log_count + 1
    append(workflow, "logs", [WorkflowLog(event="tick", detail={"n": n}) for n in range(first, first + count)])

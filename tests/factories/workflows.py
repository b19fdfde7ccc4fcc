# mypy: allow-untyped-calls
from typing import Any

from factory.declarations import SelfAttribute, SubFactory

from gofannon.lib.appending import append
from tests.factories.agents import AgentFactory, DocumentFactory
from tests.factories.billing import UserFactory
from workflows.models import Session, SessionMessage, TaskExecution, Workflow, WorkflowLog, WorkflowMessage


class WorkflowFactory(DocumentFactory):
    class Meta:
        model = Workflow

    owner = SubFactory(UserFactory)
    agent = SubFactory(AgentFactory, owner=SelfAttribute("..owner"))


class SessionFactory(DocumentFactory):
    class Meta:
        model = Session

    user = SubFactory(UserFactory)
    agent = SubFactory(AgentFactory, owner=SelfAttribute("..user"))


class TaskExecutionFactory(DocumentFactory):
    class Meta:
        model = TaskExecution

    workflow = SubFactory(WorkflowFactory)


def say(parent: Workflow | Session, count: int) -> None:
    """Appends `count` messages whose contents are their numbers."""
    first: int = parent.message_count + 1
    model: Any = WorkflowMessage if isinstance(parent, Workflow) else SessionMessage
    append(parent, "messages", [model(role="user", content=str(n)) for n in range(first, first + count)])


def log(workflow: Workflow, count: int) -> None:
    """Appends `count` log entries whose details hold their numbers."""
    first = workflow.log_count + 1
    append(workflow, "logs", [WorkflowLog(event="tick", detail={"n": n}) for n in range(first, first + count)])

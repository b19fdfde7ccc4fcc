from workflows.models.approval import Approval, Decision
from workflows.models.checkpoint import Checkpoint
from workflows.models.delivery import Delivery
from workflows.models.effect import Effect
from workflows.models.event import Event
from workflows.models.lease import Lease
from workflows.models.run import UNFINISHED, Blocker, Run, Status
from workflows.models.session import Session, SessionMessage, SessionRow
from workflows.models.subject import Subject
from workflows.models.task_execution import TaskExecution
from workflows.models.worker import Worker
from workflows.models.workflow import Workflow, WorkflowLog, WorkflowMessage, WorkflowRow

__all__ = [
    "UNFINISHED",
    "Approval",
    "Blocker",
    "Checkpoint",
    "Decision",
    "Delivery",
    "Effect",
    "Event",
    "Lease",
    "Run",
    "Session",
    "SessionMessage",
    "SessionRow",
    "Status",
    "Subject",
    "TaskExecution",
    "Worker",
    "Workflow",
    "WorkflowLog",
    "WorkflowMessage",
    "WorkflowRow",
]

from workflows.models.effect import Effect
from workflows.models.event import Event
from workflows.models.lease import Lease
from workflows.models.run import UNFINISHED, Blocker, Run, Status
from workflows.models.worker import Worker

__all__ = ["UNFINISHED", "Blocker", "Effect", "Event", "Lease", "Run", "Status", "Worker"]

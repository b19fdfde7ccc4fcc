"""Ending what runs: when an agent is deleted or a user leaves, their unfinished runs are cancelled first."""

from typing import Any

from agents.models import Agent
from billing.models import User
from gofannon.lib.documents import Document
from workflows import transitions
from workflows.models import Run


def end_runs_of_document(document: Document) -> None:
    if isinstance(document, Agent):
        _cancel(Run.objects.filter(agent_id=document.pk))


def end_runs_of_user(user: User) -> None:
    _cancel(Run.objects.filter(actor_id=user.pk))


def _cancel(runs: Any) -> None:
    for run in runs.unfinished():
        transitions.request_cancel(run)

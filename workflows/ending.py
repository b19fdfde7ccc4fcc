"""Ending what runs: when an agent is deleted or a user leaves, their unfinished runs are cancelled first."""

from typing import Any

from agents.models import Agent
from billing.models import User
from gofannon.lib.documents import Document
from workflows import transitions
from workflows.models import Run, Session


def end_runs_of_document(document: Document) -> None:
    if isinstance(document, Agent):
        _cancel(Run.objects.filter(agent_id=document.pk))


def end_runs_of_user(user: User) -> None:
    """Cancels the user's runs, and forgets from where they came."""
    _cancel(Run.objects.filter(actor_id=user.pk))
    for session in Session.objects.filter(user_id=user.pk).exclude(metadata={}):
        metadata = {**session.metadata, "ip_address": None, "user_agent": ""}
        Session.objects.filter(pk=session.pk).update(metadata=metadata)


def _cancel(runs: Any) -> None:
    for run in runs.unfinished():
        transitions.request_cancel(run)

"""Ending what runs: when an agent is deleted or a user leaves, their unfinished runs are cancelled first."""

from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from billing.models import User
from gofannon.lib.clock import DatabaseNow
from gofannon.lib.documents import Document
from workflows import transitions
from workflows.models import Lease, Run, Session


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
    """Marks the unfinished ones as cancelled in two statements, and ends each in a transaction of its own afterwards.

    The caller's transaction is about the agent or the user: it keeps no run's lease. If the process dies before the
    second step, whoever claims a marked run ends it.
    """
    found = list(runs.unfinished().order_by("pk"))
    ids = [run.pk for run in found]
    Run.objects.filter(pk__in=ids, cancel_requested_at=None).update(cancel_requested_at=timezone.now())
    Lease.objects.filter(run_id__in=ids, holder="").update(due_at=DatabaseNow())
    for run in found:
        transaction.on_commit(partial(transitions.request_cancel, run))

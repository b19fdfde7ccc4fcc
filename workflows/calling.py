"""`call_agent`: a run calls another agent. What it calls is a run of its own, executed in the caller's place.

The callee resolves with the rights of the caller's owner; the caller's payer pays. Both rows, the call's effect and the
called run, are stored together, so that a caller that is resumed finds its run again and never starts a second.
"""

import secrets
from typing import Any

from django.conf import settings
from django.db.models import F

from agents import schemas
from agents.agent_spec import AgentSpec
from gofannon.lib import ids
from gofannon.lib.errors import ApiError
from workflows import execution, transitions
from workflows.models import Run
from workflows.targets import Target, find_callee


def prepare(caller: Run, spec: AgentSpec, arguments: dict[str, Any]) -> Run:
    """The run that the call makes, unsaved.

    Raises ApiError `too_deep`, `not_found`, `archived`, `schema_mismatch`, `no_provider`.
    """
    if caller.depth >= settings.CALL_DEPTH:
        raise ApiError(f"agents call each other at most {settings.CALL_DEPTH} deep", code="too_deep")
    name = arguments.get("name")
    if not isinstance(name, str):
        raise ApiError("the name of an agent is expected", code="invalid_arguments", path="name")
    target = find_callee(caller=spec, name=name)
    run = run_of(target, arguments.get("input"))
    run.id = ids.new_id("run")
    run.parent, run.depth, run.root_id = caller, caller.depth + 1, caller.root_id or caller.pk
    run.actor_id, run.payer_id = caller.actor_id, caller.payer_id
    return run


def run_of(target: Target, value: Any) -> Run:
    """A run of the target with the input `value`, unsaved, without actor and payer.

    Raises ApiError `schema_mismatch` (with the path) or `no_provider`, for a prompt agent that has no model to ask.
    """
    spec = target.spec
    if spec.kind == "prompt":
        raise ApiError("no model provider is configured for this prompt agent", code="no_provider", path="provider_id")
    schemas.check(value, spec.input_schema, "input")
    return Run(
        kind=spec.kind,
        owner_id=target.owner_id,
        agent_id=spec.agent_id,
        deployment_id=target.deployment_id,
        snapshot=target.snapshot,
        limits=spec.limits.model_dump(),
        seed=secrets.randbits(62),
        input=value,
    )


def carry_on(child: Run) -> Run | None:
    """Works on a called run here if nobody else does; the run once it has ended, None while it has not."""
    if child.status == "running" and child.claim is not None:
        execution.execute(child)  # just made, and held by this process
    elif not child.is_finished:
        claimed = transitions.claim_run(child.pk)
        if claimed is not None:
            execution.execute(claimed)
            child = claimed
    if not child.is_finished:
        child = Run.objects.get(pk=child.pk)
    return child if child.is_finished else None


def answer_of(child: Run) -> dict[str, Any]:
    """What the caller's code gets: `result`, or `error` with the called run's own code in its message."""
    if child.error is None:
        return {"result": child.output}
    told = f"{child.deployment_id or child.agent_id}: {child.error.get('code')}: {child.error.get('message')}"
    return {"error": {"code": "agent_failed", "message": told[:2000]}}


def costs_of(child: Run) -> dict[str, Any]:
    """The change of the caller's columns: what it called is part of what it cost."""
    return {"cost_nano": F("cost_nano") + child.cost_nano} if child.cost_nano else {}

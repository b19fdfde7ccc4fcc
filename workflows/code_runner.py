"""Runs of code agents: the sandbox does the work, the host answers its calls, this reads what came of it."""

import random
from typing import Any

from django.conf import settings
from django.db import transaction

from agents import sandbox, schemas
from agents.agent_spec import AgentSpec
from gofannon.lib.connections import give_back_connection
from gofannon.lib.errors import ApiError
from workflows import approvals, leases, transitions
from workflows.host import Host
from workflows.models import Blocker, Checkpoint, Run
from workflows.runners import Completed, Control, Failed, Later, Result
from workflows.tool_calls import EndRun
from workflows.transitions import Note

MAX_STORED_STDOUT = 64 * 1024
# So long a run waits for a place in the sandbox in its thread, before it gives that back, too.
SLOT_SECONDS = 5.0
PAUSE_SECONDS = 0.1


class CodeRunner:
    def run(self, control: Control) -> Result:
        run = control.run
        if run.snapshot is None:
            return Failed("agent_missing", "the agent as it stood is not stored")
        spec = AgentSpec.model_validate(run.snapshot.spec)
        host = Host(control, spec)
        try:
            runtime = _runtime(run, spec)
        except sandbox.RuntimeUnavailable as missing:
            # Calls that were made in it are replayed in it: another worker may have it.
            return Failed("runtime_unavailable", str(missing), permanent=not run.runtime)
        host.ledger.begins["runtime"] = runtime
        job = _job(run, spec, host)
        give_back_connection()
        until = leases.clock() + SLOT_SECONDS
        while True:
            try:
                outcome = sandbox.run(job, runtime=runtime, host=host, cancelled=control.cancelled, wait_for_slot=False)
                break
            except sandbox.NoSlot:
                if leases.clock() < until and not control.draining.wait(PAUSE_SECONDS):
                    continue
                # Not all at once again.
                seconds = random.uniform(1, 2)  # noqa: S311 - spreads load, guards nothing
                return Later(seconds, Blocker.SLOT, "all places of the sandbox are taken")
            except EndRun as end:
                return end.failed
        if outcome.suspended:
            return _later(run, host, outcome)
        return _result(spec, outcome)


def _runtime(run: Run, spec: AgentSpec) -> sandbox.Runtime:
    """Where the run's code runs: where it has made calls before, else where the agent or the operator wants it.

    Raises RuntimeUnavailable.
    """
    wanted = run.runtime or (settings.SANDBOX_RUNTIME if spec.runtime == "auto" else spec.runtime)
    return sandbox.choose_runtime(spec.code, wanted)


def _job(run: Run, spec: AgentSpec, host: Host) -> sandbox.Job:
    checkpoint = None
    if run.attempt > 1:
        checkpoint = Checkpoint.objects.filter(run_id=run.pk).values_list("data", flat=True).first()
    return sandbox.Job(
        code=spec.code,
        event=run.input,
        limits=sandbox.Limits(**spec.limits.model_dump()),
        seed=run.seed,
        now=run.created_at.timestamp(),
        tools=spec.tool_names,
        replay=host.replay(),
        checkpoint=None if checkpoint is None else bytes(checkpoint),
    )


def _later(run: Run, host: Host, outcome: sandbox.Outcome) -> Later:
    """Why a run whose calls were answered LATER waits, and until when."""
    if outcome.checkpoint is not None:
        with transaction.atomic():
            transitions.append_events(run, [])
            Checkpoint.objects.update_or_create(run_id=run.pk, defaults={"data": outcome.checkpoint})
    if Blocker.NONE in host.blockers or not host.blockers:
        return Later(0, detail="handed on by a worker that ends")
    if Blocker.APPROVAL in host.blockers:
        seconds = approvals.seconds_to_expiry(run.pk)
        return Later(seconds or 0, Blocker.APPROVAL, "somebody's approval of a call")
    return Later(None, Blocker.CHILD, "the end of a run that it called")


def _result(spec: AgentSpec, outcome: sandbox.Outcome) -> Result:
    usage = {
        "runtime": outcome.runtime,
        "cpu_seconds": round(outcome.cpu_seconds, 6),
        "wall_seconds": round(outcome.wall_seconds, 6),
        "peak_memory_bytes": outcome.peak_memory_bytes,
    }
    printed = [Note("stdout", {"bytes": len(outcome.stdout.encode())})] if outcome.stdout else []
    stdout = outcome.stdout[:MAX_STORED_STDOUT]
    notes = (*printed, Note("sandbox", usage))
    if outcome.error is not None:
        error = outcome.error
        detail: dict[str, Any] = {"traceback": error.traceback} if error.traceback else {}
        if error.line is not None:
            detail["line"] = error.line
        return Failed(error.code, error.message, permanent=error.permanent, detail=detail, notes=notes, stdout=stdout)
    try:
        schemas.check(outcome.output, spec.output_schema, "output")
    except ApiError as mismatch:
        detail = {key: value for key, value in mismatch.as_dict().items() if key not in {"code", "message"}}
        return Failed(mismatch.code, mismatch.message, detail=detail, notes=notes, stdout=stdout)
    return Completed(outcome.output, notes=notes, stdout=stdout)

"""Runs of code agents: the sandbox does the work, this reads what it said."""

import json
from typing import Any, Literal, cast

from django.conf import settings

from agents import sandbox, schemas
from agents.agent_spec import AgentSpec
from gofannon.lib.errors import ApiError
from workflows import transitions
from workflows.runners import Completed, Control, Failed, Result
from workflows.transitions import Note

MAX_LOGGED_STDOUT = 64 * 1024
MAX_LOGGED_BYTES = 4 << 20


class CodeRunner:
    def run(self, control: Control) -> Result:
        run = control.run
        if run.snapshot is None:
            return Failed("agent_missing", "the agent as it stood is not stored")
        spec = AgentSpec.model_validate(run.snapshot.spec)
        job = sandbox.Job(
            code=spec.code,
            event=run.input,
            limits=sandbox.Limits(**spec.limits.model_dump()),
            seed=run.seed,
            now=run.created_at.timestamp(),
            tools=spec.tool_names,
        )
        wanted: Literal["auto", "cpython", "monty"] = spec.runtime
        if wanted == "auto":
            wanted = cast("Literal['auto', 'cpython', 'monty']", settings.SANDBOX_RUNTIME)
        outcome = sandbox.run(job, runtime=wanted, host=Host(control), cancelled=control.cancelled)
        return self._result(spec, outcome)

    def _result(self, spec: AgentSpec, outcome: sandbox.Outcome) -> Result:
        usage = {
            "runtime": outcome.runtime,
            "cpu_seconds": round(outcome.cpu_seconds, 6),
            "wall_seconds": round(outcome.wall_seconds, 6),
            "peak_memory_bytes": outcome.peak_memory_bytes,
        }
        printed = [Note("stdout", {"text": outcome.stdout[:MAX_LOGGED_STDOUT]})] if outcome.stdout else []
        notes = (*printed, Note("sandbox", usage))
        if outcome.error is not None:
            error = outcome.error
            detail: dict[str, Any] = {"traceback": error.traceback} if error.traceback else {}
            if error.line is not None:
                detail["line"] = error.line
            return Failed(error.code, error.message, permanent=error.permanent, detail=detail, notes=notes)
        try:
            schemas.check(outcome.output, spec.output_schema, "output")
        except ApiError as mismatch:
            detail = {key: value for key, value in mismatch.as_dict().items() if key not in {"code", "message"}}
            return Failed(mismatch.code, mismatch.message, detail=detail, notes=notes)
        return Completed(outcome.output, notes=notes)


class Host:
    """What sandboxed code may ask of the platform. `log` becomes an event."""

    def __init__(self, control: Control) -> None:
        self.control = control
        self.logged = 0

    def __call__(self, call: sandbox.HostCall) -> Any:
        if call.name == "log":
            self.logged += len(json.dumps(call.arguments))
            if self.logged > MAX_LOGGED_BYTES:
                raise sandbox.HostCallError("log_limit", f"a run logs at most {MAX_LOGGED_BYTES} bytes")
            transitions.append_events(self.control.run, [Note("log", call.arguments)])
            return None
        name = call.name.removeprefix("tool:")
        raise sandbox.HostCallError("not_available", f"{name} is not available on this platform yet")

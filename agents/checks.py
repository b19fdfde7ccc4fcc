"""What can be said of an agent before it runs. Executes nothing."""

from typing import Any

from agents import sandbox
from agents.agent_spec import AgentSpec
from agents.models import Agent
from gofannon.lib.errors import ApiError


def refuse_unrunnable(agent: Agent) -> None:
    """Raises ApiError with the code of the first thing that would stop every run (`syntax_error`, `no_handler`)."""
    for problem in sandbox.compile_check(agent.code) if agent.code else []:
        where = f" (line {problem.line})" if problem.line else ""
        raise ApiError(f"{problem.message}{where}", code=problem.code, path="code")


def report(spec: AgentSpec, resolved: dict[str, list[str]]) -> dict[str, Any]:
    """`{ok, kind, runtime, problems: [{code, message, path, line?, column?}], prompt, resolved}` for the draft."""
    problems: list[dict[str, Any]] = []
    runtime = None
    if spec.kind == "code":
        for problem in sandbox.compile_check(spec.code):
            place = {"line": problem.line, "column": problem.column}
            problems.append({"code": problem.code, "message": problem.message, "path": "code", **place})
        if not problems:
            try:
                runtime = sandbox.choose_runtime(spec.code, spec.runtime)
            except sandbox.RuntimeUnavailable as error:
                problems.append({"code": error.code, "message": str(error), "path": "runtime"})
    segments = {"system_prompt": len(spec.system_prompt)} if spec.kind == "prompt" else {}
    return {
        "ok": not problems,
        "kind": spec.kind,
        "runtime": runtime,
        "problems": problems,
        "prompt": {"text": spec.system_prompt, "characters": segments},
        "resolved": resolved,
    }

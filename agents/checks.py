"""What can be said of an agent before it runs. Executes nothing."""

from typing import Any

from agents import sandbox, schemas
from agents.agent_spec import AgentSpec
from agents.models import Agent, Skill
from gofannon.lib.errors import ApiError

CHARACTERS_PER_TOKEN = 4


def refuse_unrunnable(agent: Agent) -> None:
    """Raises ApiError with the code of the first thing that would stop every run (`syntax_error`, `no_handler`)."""
    for problem in sandbox.compile_check(agent.code) if agent.code else []:
        where = f" (line {problem.line})" if problem.line else ""
        raise ApiError(f"{problem.message}{where}", code=problem.code, path="code")


def report(spec: AgentSpec, resolved: dict[str, list[str]]) -> dict[str, Any]:
    """`{ok, kind, runtime, problems: [{code, message, path, line?, column?}], prompt: {text, segments}, resolved}`.

    `segments` are `{name, characters, tokens}`; without a model's own tokenizer, four characters count as a token.
    """
    problems = [
        problem.as_dict()
        for path in ("input_schema", "output_schema")
        for problem in schemas.problems(getattr(spec, path), path)
    ]
    runtime = None
    if spec.kind == "code":
        runtime, found = _runtime(spec)
        problems += found
    segments = _prompt(spec, resolved["skill_ids"]) if spec.kind == "prompt" else {}
    sizes = [
        {"name": name, "characters": len(text), "tokens": -(-len(text) // CHARACTERS_PER_TOKEN)}
        for name, text in segments.items()
    ]
    prompt = {"text": "\n\n".join(segments.values()), "segments": sizes}
    return {
        "ok": not problems,
        "kind": spec.kind,
        "runtime": runtime,
        "problems": problems,
        "prompt": prompt,
        "resolved": resolved,
    }


def _runtime(spec: AgentSpec) -> tuple[str | None, list[dict[str, Any]]]:
    """(the runtime that would execute the code here, what stands in the way)."""
    problems: list[dict[str, Any]] = [
        {"code": found.code, "message": found.message, "path": "code", "line": found.line, "column": found.column}
        for found in sandbox.compile_check(spec.code)
    ]
    if problems:
        return None, problems
    try:
        return sandbox.choose_runtime(spec.code, spec.runtime), []
    except sandbox.RuntimeUnavailable as error:
        return None, [{"code": error.code, "message": str(error), "path": "runtime"}]


def _prompt(spec: AgentSpec, skill_ids: list[str]) -> dict[str, str]:
    """The prompt by segment: the agent's own, and the skills by name and description."""
    skills = Skill.objects.in_bulk(skill_ids)
    lines = [f"- {skills[pk].name}: {skills[pk].description}" for pk in skill_ids if pk in skills]
    segments = {"system_prompt": spec.system_prompt, "skills": "\n".join(lines)}
    return {name: text for name, text in segments.items() if text}

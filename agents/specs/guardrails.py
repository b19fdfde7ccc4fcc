"""What a guardrail checks, where, and what it does then. Pure.

| type | points | checks |
|---|---|---|
| prompt | before_prompt | regex, denylist, pii, secret, length, injection (flag only), judge |
| request | before_run | json_schema, regex, pii, judge |
| output | after_answer | json_schema, regex, pii, secret, length, judge |
| tool | before_tool, after_tool | allow, deny, arguments_schema, pii, secret, judge |
"""

import re
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from agents import schemas
from agents.specs.base import Name, Names, Spec, invalid, parse
from gofannon.lib.errors import ApiError, raise_all

Action = Literal["block", "redact", "flag"]
Point = Literal["before_prompt", "before_run", "after_answer", "before_tool", "after_tool"]
PiiKind = Literal["email", "phone", "credit_card", "iban", "ip_address", "us_ssn"]
MAX_PATTERN = 1000
MAX_REPEAT = 1000


def _check_pattern(pattern: str) -> str:
    # A huge counted repeat costs memory to compile and time to match.
    if any(int(count) > MAX_REPEAT for count in re.findall(r"\d+", " ".join(re.findall(r"\{([\d,]+)\}", pattern)))):
        raise invalid(f"a repeat counts at most to {MAX_REPEAT}", "invalid_pattern")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise invalid("is not a regular expression", "invalid_pattern") from error
    return pattern


Pattern = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN), AfterValidator(_check_pattern)]


class GuardrailSpec(Spec):
    """`points` empty means all points of the guardrail's type."""

    # A check that blames no part of a text has nothing to redact.
    actions: ClassVar[tuple[str, ...]] = ("block", "flag")

    check: str
    action: Action
    points: tuple[Point, ...] = Field((), strict=False)


class RegexCheck(GuardrailSpec):
    """`max_match` bounds a match in characters, so that a stream holds back no more than that."""

    actions = get_args(Action)
    patterns: tuple[Pattern, ...] = Field(strict=False, min_length=1, max_length=100)
    max_match: int | None = Field(None, ge=1, le=100_000)


class DenylistCheck(GuardrailSpec):
    """Words in any case."""

    actions = get_args(Action)
    words: Names


class PiiCheck(GuardrailSpec):
    actions = get_args(Action)
    kinds: tuple[PiiKind, ...] = Field(get_args(PiiKind), strict=False, min_length=1)


class SecretCheck(GuardrailSpec):
    actions = get_args(Action)


class LengthCheck(GuardrailSpec):
    """In characters."""

    max: int | None = Field(None, ge=0, le=100_000_000)
    min: int | None = Field(None, ge=0, le=100_000_000)

    @model_validator(mode="after")
    def _check_range(self) -> "LengthCheck":
        if self.max is None and self.min is None:
            raise invalid("max, min or both are expected", "required")
        if self.max is not None and self.min is not None and self.max < self.min:
            raise invalid("max is below min")
        return self


class InjectionCheck(GuardrailSpec):
    actions = ("flag",)


class JudgeCheck(GuardrailSpec):
    """A model decides by `prompt`; without `model`, the agent's own."""

    prompt: str = Field(min_length=1, max_length=20_000)
    model: Name | None = None


class JsonSchemaCheck(GuardrailSpec):
    json_schema: dict[str, Any] = Field(alias="schema")


class ToolsCheck(GuardrailSpec):
    """`allow` lets only these tools through, `deny` all but these."""

    tools: Names


class ArgumentsSchemaCheck(JsonSchemaCheck):
    tool: Name


CHECKS: dict[str, type[GuardrailSpec]] = {
    "regex": RegexCheck,
    "denylist": DenylistCheck,
    "pii": PiiCheck,
    "secret": SecretCheck,
    "length": LengthCheck,
    "injection": InjectionCheck,
    "judge": JudgeCheck,
    "json_schema": JsonSchemaCheck,
    "allow": ToolsCheck,
    "deny": ToolsCheck,
    "arguments_schema": ArgumentsSchemaCheck,
}
# type -> (its points, its checks)
GUARDRAIL_TYPES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "prompt": (("before_prompt",), ("regex", "denylist", "pii", "secret", "length", "injection", "judge")),
    "request": (("before_run",), ("json_schema", "regex", "pii", "judge")),
    "output": (("after_answer",), ("json_schema", "regex", "pii", "secret", "length", "judge")),
    "tool": (("before_tool", "after_tool"), ("allow", "deny", "arguments_schema", "pii", "secret", "judge")),
}


def parse_guardrail(type_: Any, config: Any) -> GuardrailSpec:
    """The check with its points filled in. Raises ApiError with paths below `type` and `config`."""
    if type_ not in GUARDRAIL_TYPES:
        raise _choice("type", GUARDRAIL_TYPES)
    points, checks = GUARDRAIL_TYPES[type_]
    if not isinstance(config, dict):
        raise ApiError("an object is expected", path="config")
    if "check" not in config:
        raise ApiError("this field is required", code="required", path="config.check")
    if config["check"] not in checks:
        raise _choice("config.check", checks)
    found = parse(CHECKS[config["check"]], config, "config")
    errors = [_choice(f"config.points[{n}]", points) for n, point in enumerate(found.points) if point not in points]
    if len(set(found.points)) != len(found.points):
        errors.append(ApiError("names an entry twice", code="duplicate", path="config.points"))
    if found.action not in found.actions:
        errors.append(_choice("config.action", found.actions))
    if isinstance(found, JsonSchemaCheck):
        errors += schemas.problems(found.json_schema, "config.schema")
    raise_all(errors)
    return found if found.points else found.model_copy(update={"points": points})


def _choice(path: str, allowed: Any) -> ApiError:
    return ApiError(f"one of {', '.join(allowed)} is expected here", code="invalid_choice", path=path)

"""What a run needs of an agent, parsed once at the border. Pure."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gofannon.lib.errors import ApiError

MIB = 1024 * 1024


class LimitsSpec(BaseModel):
    """The limits of one run: seconds, bytes and counts."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    wall_seconds: float = Field(30.0, gt=0, le=86_400)
    cpu_seconds: float = Field(10.0, gt=0, le=86_400)
    memory_bytes: int = Field(256 * MIB, ge=32 * MIB, le=1 << 40)
    output_bytes: int = Field(MIB, ge=2, le=1 << 30)
    stdout_bytes: int = Field(256 * 1024, ge=0, le=1 << 28)
    host_calls: int = Field(1000, ge=0, le=1_000_000)


class AgentSpec(BaseModel):
    """An agent as it stands at one moment, with every tag resolved to ids."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    agent_id: str
    owner_id: str
    name: str
    code: str = ""
    system_prompt: str = ""
    model: str = ""
    provider_id: str | None = None
    runtime: Literal["auto", "cpython", "monty"] = "auto"
    limits: LimitsSpec = LimitsSpec()
    tools: dict[str, list[str]] = {}
    input_schema: dict[str, Any] = {}
    output_schema: dict[str, Any] = {}
    gofannon_agents: list[str] = []
    mcp_server_ids: list[str] = []
    skill_ids: list[str] = []
    knowledge_source_ids: list[str] = []
    guardrail_ids: list[str] = []

    @property
    def kind(self) -> Literal["code", "prompt"]:
        return "code" if self.code else "prompt"

    @property
    def tool_names(self) -> tuple[str, ...]:
        return tuple(f"{category}.{name}" for category, names in self.tools.items() for name in names)


def limits_problems(value: Any, ceilings: dict[str, float]) -> list[ApiError]:
    """Why `value` holds no limits, or limits above the platform's; each error with its path."""
    try:
        limits = LimitsSpec.model_validate(value)
    except ValidationError as error:
        return [
            ApiError(
                found["msg"],
                code="unknown_field" if found["type"] == "extra_forbidden" else "invalid",
                path=".".join(["limits", *map(str, found["loc"])]),
            )
            for found in error.errors()
        ]
    return [
        ApiError(f"at most {ceiling:g} here", code="over_limit", path=f"limits.{name}")
        for name, ceiling in ceilings.items()
        if getattr(limits, name) > ceiling
    ]


def tools_problems(value: Any) -> list[ApiError]:
    """Why `value` is no `{"category": ["name", ...]}`."""
    if not isinstance(value, dict):
        return [ApiError("an object of category to names is expected", path="tools")]
    found = []
    for category, names in value.items():
        if not isinstance(names, list) or not all(isinstance(name, str) and 0 < len(name) <= 255 for name in names):
            found.append(ApiError("a list of names is expected", path=f"tools.{category}"))
        elif len(set(names)) != len(names):
            found.append(ApiError("names an entry twice", code="duplicate", path=f"tools.{category}"))
    return found

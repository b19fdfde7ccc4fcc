"""How a model provider is asked. Pure."""

from typing import Annotated, Any

from pydantic import Field

from agents.specs.base import Name, Names, Spec, Url, choose, parse
from agents.specs.secrets import refuse_inline_secrets
from gofannon.lib import ids
from gofannon.lib.errors import ApiError

_Usd = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]


class Price(Spec):
    """USD per million tokens; without a cache price, cached tokens cost what input costs."""

    input: _Usd
    output: _Usd
    cache_read: _Usd | None = None
    cache_write: _Usd | None = None


class ProviderSpec(Spec):
    """`models` are those that may be asked for; without it, all. `prices` stand before the built-in ones."""

    kind: Name
    default_model: Name | None = None
    models: Names | None = None
    timeout_seconds: float = Field(120.0, gt=0, le=3600, allow_inf_nan=False)
    prices: dict[Name, Price] = Field({}, max_length=1000)


class RemoteProvider(ProviderSpec):
    """Without `base_url` the kind's official address. `token` is the id of the token with the key."""

    base_url: Url | None = None
    token: str | None = Field(None, min_length=1, max_length=ids.MAX_LENGTH)


class ScriptedProvider(ProviderSpec):
    """Answers from its config, without a network: for trials and tests. The scripted client reads the replies."""

    replies: tuple[str | dict[str, Any], ...] = Field((), strict=False, max_length=1000)
    repeat: bool = False


PROVIDER_KINDS: dict[str, type[ProviderSpec]] = {
    **dict.fromkeys(("openai", "anthropic", "google", "mistral", "groq", "perplexity"), RemoteProvider),
    "scripted": ScriptedProvider,
}


def parse_provider(config: Any) -> ProviderSpec:
    if not isinstance(config, dict):
        raise ApiError("an object is expected", path="config")
    spec = choose(PROVIDER_KINDS, config.get("kind"), "config.kind")
    refuse_inline_secrets(config, "config")
    found = parse(spec, config, "config")
    if found.models and found.default_model and found.default_model not in found.models:
        raise ApiError("is not among the models", code="invalid_choice", path="config.default_model")
    return found

"""What all specs share: strict parsing, the error shape, URLs, and values that may come from a token. Pure."""

from typing import Annotated, Any, TypeVar
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from gofannon.lib import ids
from gofannon.lib.errors import ApiError, raise_all

S = TypeVar("S", bound="Spec")

# pydantic's words for what the wire contract names otherwise; the codes of our own validators pass through.
_CODES = {"extra_forbidden": "unknown_field", "literal_error": "invalid_choice", "missing": "required"}
_MESSAGES = {
    "extra_forbidden": "there is no such field",
    "missing": "this field is required",
    "model_type": "an object is expected",
}
# Parts of pydantic's locations that are no part of the document.
_UNWRITTEN = {"<plain>", "<token>", "[key]"}


class Spec(BaseModel):
    # Inputs may hold what must not be logged.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class TokenReference(Spec):
    """`{"token": "<token id>", "prefix": "Bearer "}`: the token's value behind the prefix, put in when it is used."""

    token: str = Field(min_length=1, max_length=ids.MAX_LENGTH)
    prefix: str = Field("", max_length=40, pattern=r"^[^\r\n\x00]*$")


def _is_reference(value: Any) -> str:
    return "<token>" if isinstance(value, dict | TokenReference) else "<plain>"


_Plain = Annotated[str, Field(max_length=4000, pattern=r"^[^\r\n\x00]*$")]
Value = Annotated[
    Annotated[TokenReference, Tag("<token>")] | Annotated[_Plain, Tag("<plain>")], Discriminator(_is_reference)
]


def invalid(message: str, code: str = "invalid_value") -> PydanticCustomError:
    """What a spec's validator raises; `message` never repeats the input."""
    return PydanticCustomError(f"own:{code}", message)


def _check_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not url.isprintable() or " " in url:
        raise invalid("an http or https URL is expected", "invalid_url")
    return url


def _distinct(items: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(items)) != len(items):
        raise invalid("names an entry twice", "duplicate")
    return items


Url = Annotated[str, Field(max_length=2000), AfterValidator(_check_url)]
Name = Annotated[str, Field(min_length=1, max_length=ids.MAX_LENGTH)]
Names = Annotated[tuple[Name, ...], Field(strict=False, min_length=1, max_length=1000), AfterValidator(_distinct)]


def parse(spec: type[S], config: Any, path: str) -> S:
    """`config` as a `spec`. Raises ApiError or FieldErrors with paths below `path`."""
    try:
        return spec.model_validate(config)
    except ValidationError as error:
        found = [_as_api_error(item, path) for item in error.errors(include_input=False, include_url=False)]
    raise_all(found)
    raise AssertionError("pydantic refused without a reason")


def _as_api_error(error: ErrorDetails, path: str) -> ApiError:
    kind = error["type"]
    code = kind.removeprefix("own:") if kind.startswith("own:") else _CODES.get(kind, "invalid")
    return ApiError(_MESSAGES.get(kind) or error["msg"], code=code, path=join(path, *error["loc"]))


def join(path: str, *parts: str | int) -> str:
    """`config`, `words`, 2 become `config.words[2]`."""
    for part in parts:
        if part not in _UNWRITTEN:
            path += f"[{part}]" if isinstance(part, int) else f".{part}"
    return path


def choose(kinds: dict[str, type[S]], kind: Any, path: str) -> type[S]:
    """The spec of a kind. Raises ApiError `required` or `invalid_choice`."""
    if kind in (None, ""):
        raise ApiError("this field is required", code="required", path=path)
    if not isinstance(kind, str) or kind not in kinds:
        raise ApiError(f"one of {', '.join(kinds)} is expected", code="invalid_choice", path=path)
    return kinds[kind]

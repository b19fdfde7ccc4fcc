"""Secrets of configurations stand in tokens: finds those that were written in plain, and the references. Pure."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from agents.specs.base import join
from gofannon.lib import ids
from gofannon.lib.errors import ApiError, raise_all

_TELLING_WORDS = (
    "apikey auth authorization bearer cookie credential credentials jwt passphrase passwd password pat pwd secret token"
)
_SECRET_WORDS = frozenset(_TELLING_WORDS.split())
# The forms that well-known services give their keys; enough of each to be no accident.
_SHAPES = re.compile(
    r"(bearer|basic)\s+\S{8,}|(sk|pk|rk|pplx|gsk)[-_][\w-]{8,}|(ghp|gho|ghu|ghs|glpat|npm|gfn|hf)[-_]\w{8,}"
    r"|github_pat_\w{8,}|xox[abprs]-[\w-]{8,}|(AKIA|ASIA)[A-Z0-9]{12,}|AIza[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----",
    re.IGNORECASE,
)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_OPTION = re.compile(r"--?([A-Za-z][\w-]*)(?:=(.*))?", re.DOTALL)
_MAX_DEPTH = 100


def is_secret_name(name: str) -> bool:
    """Whether a header, variable, option or key of this name usually holds a secret: `X-Api-Key`, `GITHUB_TOKEN`."""
    words = [word.lower() for word in _WORDS.findall(name)]
    return not _SECRET_WORDS.isdisjoint(words) or (bool(words) and words[-1] == "key")


def is_secret_value(value: str) -> bool:
    """Whether the text has the form of a key, or is a URL that carries one."""
    if _SHAPES.match(value.strip()):
        return True
    if "://" not in value[:40]:
        return False
    try:
        parts = urlsplit(value)
        return parts.password is not None or any(is_secret_name(name) for name, _ in parse_qsl(parts.query))
    except ValueError:
        return False


def refuse_inline_secrets(config: Any, path: str) -> None:
    """Raises ApiError `inline_secret` with the path of each value that belongs in a token, without the value."""
    message = "a secret does not stand here: store it as a token and name the token's id"
    if isinstance(config, dict):  # a scripted provider's replies are words, not settings
        config = {key: value for key, value in config.items() if key != "replies"}
    raise_all([ApiError(message, code="inline_secret", path=found) for found in _inline(config, path)])


def token_references(config: Any, path: str) -> list[tuple[str, str]]:
    """(path, token id) of every reference `{"token": "<id>"}` in a configuration, at any depth."""
    named = ((where, value) for where, key, value in _texts(config, path) if key == "token")
    return [(where, value) for where, value in named if 0 < len(value) <= ids.MAX_LENGTH]


def _inline(config: Any, path: str) -> Iterator[str]:
    following = ""  # the option before an argument, as in ["--api-key", "..."]
    for where, key, text in _texts(config, path):
        name, value = key, text
        if is_argument := where.endswith("]"):
            option = _OPTION.fullmatch(text)
            name, value = (option[1], option[2] or "") if option else (following, text)
            following = name if option and not value else ""
        is_reference = key == "token" and not is_argument
        if value and (is_secret_value(value) or (is_secret_name(name) and not is_reference)):
            yield where


def _texts(value: Any, path: str, name: str = "", depth: int = 0) -> Iterator[tuple[str, str, str]]:
    """(path, the key it stands under, text) of every text in a JSON value, in order."""
    if isinstance(value, str):
        yield path, name, value
    elif isinstance(value, dict) and depth < _MAX_DEPTH:
        for key, item in value.items():
            yield from _texts(item, join(path, key), str(key), depth + 1)
    elif isinstance(value, list) and depth < _MAX_DEPTH:
        for index, item in enumerate(value):
            yield from _texts(item, join(path, index), name, depth + 1)

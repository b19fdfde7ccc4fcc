"""Where knowledge comes from. Pure."""

from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from agents.specs.base import Name, Spec, TokenReference, Url, Value, choose, invalid, parse
from agents.specs.mcp import HeaderName
from agents.specs.secrets import refuse_inline_secrets

_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]{0,62}"
_Column = Annotated[str, Field(pattern=rf"^{_IDENTIFIER}$")]


def _beneath(path: str) -> str:
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts or "\\" in path or not path.isprintable():
        raise invalid("a path below the operator's knowledge directory is expected, without ..", "invalid_path")
    return path


class TextSource(Spec):
    """Its items are written by hand or by programs."""


class FileSource(Spec):
    """A file, or the files of a directory, below the operator's knowledge directory."""

    path: Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_beneath)]


class UrlSource(Spec):
    url: Url
    headers: dict[HeaderName, Value] = Field({}, max_length=100)


class PgvectorSource(Spec):
    """A table of someone else's. `connection` is the token that holds the database's URL."""

    connection: TokenReference
    table: str = Field(pattern=rf"^({_IDENTIFIER}\.)?{_IDENTIFIER}$")
    content_column: _Column = "content"
    embedding_column: _Column = "embedding"
    embedding_model: Name | None = None


KnowledgeSpec = TextSource | FileSource | UrlSource | PgvectorSource
KNOWLEDGE_TYPES: dict[str, type[Spec]] = {
    "text": TextSource,
    "file": FileSource,
    "url": UrlSource,
    "pgvector": PgvectorSource,
}


def parse_knowledge(type_: Any, config: Any) -> KnowledgeSpec:
    spec = choose(KNOWLEDGE_TYPES, type_, "type")
    refuse_inline_secrets(config, "connection_config")
    found = parse(spec, config, "connection_config")
    assert isinstance(found, TextSource | FileSource | UrlSource | PgvectorSource)
    return found

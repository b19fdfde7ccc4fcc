"""How an MCP server is reached. Pure."""

from typing import Annotated, Any

from pydantic import Field

from agents.specs.base import Spec, Url, Value, choose, parse
from agents.specs.secrets import refuse_inline_secrets

_Text = Annotated[str, Field(max_length=4000, pattern=r"^[^\x00]*$")]
_Variable = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
HeaderName = Annotated[str, Field(max_length=200, pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]


class StdioConnection(Spec):
    """A program on this machine, with only the environment named here."""

    command: str = Field(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")
    args: tuple[_Text, ...] = Field((), strict=False, max_length=200)
    env: dict[_Variable, Value] = Field({}, max_length=100)
    cwd: str | None = Field(None, min_length=1, max_length=1000)


class RemoteConnection(Spec):
    """A server behind a URL, over SSE or streamable HTTP."""

    url: Url
    headers: dict[HeaderName, Value] = Field({}, max_length=100)


McpConnection = StdioConnection | RemoteConnection
TRANSPORTS: dict[str, type[Spec]] = {"stdio": StdioConnection, "sse": RemoteConnection, "http": RemoteConnection}


def parse_mcp(transport_type: Any, config: Any) -> McpConnection:
    spec = choose(TRANSPORTS, transport_type, "transport_type")
    refuse_inline_secrets(config, "connection_config")
    found = parse(spec, config, "connection_config")
    assert isinstance(found, StdioConnection | RemoteConnection)
    return found

"""The tools that come with the platform, by name. Pure: no models, no Django.

A new one is a class in the file of its category and a line in TOOLS.
"""

from functools import cache
from importlib import import_module

from agents.tools.tool import EffectClass, Tool, ToolCall, ToolError

__all__ = ["TOOLS", "EffectClass", "Tool", "ToolCall", "ToolError", "tool_of"]

TOOLS: dict[str, str] = {
    "data.parse_csv": "agents.tools.data.ParseCsv",
    "http.get": "agents.tools.http.Get",
    "http.send": "agents.tools.http.Send",
    "http.send_once": "agents.tools.http.SendOnce",
}


@cache
def tool_of(name: str) -> Tool:
    """The tool of that name. Raises KeyError."""
    module, _, cls = TOOLS[name].rpartition(".")
    tool: Tool = getattr(import_module(module), cls)()
    return tool

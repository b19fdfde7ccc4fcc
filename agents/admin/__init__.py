"""The admin pages of agents and their parts."""

from agents.admin import agents, guardrails, knowledge, mcp_servers, providers, skills, tokens

__all__ = ["agents", "guardrails", "knowledge", "mcp_servers", "providers", "skills", "tokens"]

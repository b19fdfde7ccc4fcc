from agents.models.agent import Agent, AgentRow
from agents.models.deployment import Deployment, DeploymentVersion, Snapshot
from agents.models.guardrail import Guardrail, GuardrailRow
from agents.models.knowledge import KnowledgeItem, KnowledgeItemRow, KnowledgeSource, KnowledgeSourceRow
from agents.models.mcp_server import McpServer, McpServerRow
from agents.models.provider import Provider, ProviderRow
from agents.models.skill import Skill, SkillRow, SkillVersion
from agents.models.token import Token

__all__ = [
    "Agent",
    "AgentRow",
    "Deployment",
    "DeploymentVersion",
    "Guardrail",
    "GuardrailRow",
    "KnowledgeItem",
    "KnowledgeItemRow",
    "KnowledgeSource",
    "KnowledgeSourceRow",
    "McpServer",
    "McpServerRow",
    "Provider",
    "ProviderRow",
    "Skill",
    "SkillRow",
    "SkillVersion",
    "Snapshot",
    "Token",
]

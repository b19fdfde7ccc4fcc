from agents.api.agents import AgentViewSet
from agents.api.deployments import DeploymentViewSet
from agents.api.guardrails import GuardrailViewSet
from agents.api.knowledge import KnowledgeItemViewSet, KnowledgeSourceViewSet
from agents.api.mcp_servers import McpServerViewSet
from agents.api.providers import ProviderViewSet
from agents.api.skills import SkillViewSet
from agents.api.tokens import TokenViewSet
from gofannon.lib.rest.routers import DocumentRouter

router = DocumentRouter()
router.register("agents", AgentViewSet, basename="agent")
router.register("deployments", DeploymentViewSet, basename="deployment")
router.register("skills", SkillViewSet, basename="skill")
router.register("mcp-servers", McpServerViewSet, basename="mcp-server")
router.register("knowledge-sources", KnowledgeSourceViewSet, basename="knowledge-source")
router.register("knowledge-items", KnowledgeItemViewSet, basename="knowledge-item")
router.register("guardrails", GuardrailViewSet, basename="guardrail")
router.register("providers", ProviderViewSet, basename="provider")
router.register("tokens", TokenViewSet, basename="token")
urlpatterns = router.urls

"""Coming in: documents as they stand elsewhere, in wire shape. An import starts nothing and calls nothing."""

from collections.abc import Callable
from typing import Any

from django.utils.module_loading import import_string
from rest_framework.exceptions import ValidationError

from agents import actions as agent_actions
from agents.models import Deployment
from billing import documents
from billing.documents import Imported
from gofannon.lib.errors import ApiError
from gofannon.lib.rest.errors import as_api_error
from gofannon.lib.rest.serializers import DocumentSerializer
from tickets.importing import import_ticket

# In the order in which references are found: what is named comes before what names it.
SERIALIZERS: dict[str, str] = {
    "users": "billing.api.users.UserSerializer",
    "teams": "billing.api.teams.TeamSerializer",
    "tokens": "agents.api.tokens.TokenSerializer",
    "providers": "agents.api.providers.ProviderSerializer",
    "mcp-servers": "agents.api.mcp_servers.McpServerSerializer",
    "skills": "agents.api.skills.SkillSerializer",
    "guardrails": "agents.api.guardrails.GuardrailSerializer",
    "knowledge-sources": "agents.api.knowledge.KnowledgeSourceSerializer",
    "knowledge-items": "agents.api.knowledge.KnowledgeItemSerializer",
    "agents": "agents.api.agents.AgentSerializer",
    "deployments": "agents.api.deployments.DeploymentSerializer",
    "workflows": "workflows.api.workflows.WorkflowSerializer",
    "task-executions": "workflows.api.task_executions.TaskExecutionSerializer",
    "sessions": "workflows.api.sessions.SessionSerializer",
    "demos": "demos.api.demos.DemoSerializer",
    "tickets": "tickets.importing.TicketImport",
}


def import_document(*, actor: Any, collection: str, document: dict[str, Any]) -> Imported:
    """Stores one document with its id; its references that lead nowhere are reported, not refused.

    Raises ApiError for an unknown collection, a document of the wrong shape, or an id that is taken.
    """
    path = SERIALIZERS.get(collection)
    if path is None:
        raise ApiError(f"there is no collection {collection!r}", code="unknown_collection")
    serializer: Any = import_string(path)(data=document, context={"importing": True})
    try:
        serializer.is_valid(raise_exception=True)
    except ValidationError as error:
        refusal = as_api_error(error)
        raise refusal or ApiError("the document is not valid") from error
    special: Callable[[Any, Any], Imported] = SPECIAL.get(collection, _plain)
    return special(actor, serializer)


def _plain(actor: Any, serializer: DocumentSerializer) -> Imported:
    meta: Any = serializer.Meta
    return documents.import_document(actor=actor, model=meta.model, values=serializer.validated_data)


def _deployment(actor: Any, serializer: DocumentSerializer) -> Imported:
    imported = _plain(actor, serializer)
    deployment = imported.document
    if isinstance(deployment, Deployment) and not imported.dangling:
        agent_actions.publish_imported(actor=actor, deployment=deployment)
    return imported


def _ticket(actor: Any, serializer: Any) -> Imported:
    return import_ticket(actor=actor, values=serializer.validated_data)


SPECIAL: dict[str, Callable[[Any, Any], Imported]] = {"deployments": _deployment, "tickets": _ticket}

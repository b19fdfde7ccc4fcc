"""`/api`: the way in for people with a browser and for programs that explore."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

COLLECTIONS = (
    "agents",
    "deployments",
    "users",
    "sessions",
    "tickets",
    "demos",
    "workflows",
    "task-executions",
    "mcp-servers",
    "skills",
    "knowledge-sources",
    "knowledge-items",
    "guardrails",
    "providers",
    "tokens",
    "teams",
    "access-keys",
)


class ApiRoot(APIView):
    permission_classes = [AllowAny]

    @extend_schema(responses={200: {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}}})
    def get(self, request: Request) -> Response:
        """The collections and where the documentation is."""
        links: dict[str, Any] = {name: request.build_absolute_uri(f"/api/{name}") for name in COLLECTIONS}
        for name in ("runs", "approvals", "webhook-deliveries"):
            links[name] = request.build_absolute_uri(f"/api/{name}")
        links["docs"] = request.build_absolute_uri("/api/docs")
        links["schema"] = request.build_absolute_uri("/api/schema")
        return Response(links)

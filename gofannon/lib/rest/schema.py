"""OpenAPI of the conventions: the error shape on every operation, and the headers that writes understand."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers


class ErrorBody(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Stable; programs branch on it.")
    message = serializers.CharField(help_text="One sentence for people.")
    path = serializers.CharField(required=False, help_text="The field to blame, such as input.query.")
    request_id = serializers.CharField(required=False)
    errors = serializers.ListField(  # type: ignore[assignment]
        child=serializers.DictField(), required=False
    )
    more = serializers.IntegerField(required=False, help_text="Errors besides those in `errors`.")


class ErrorDocument(serializers.Serializer[Any]):
    error = ErrorBody()


class DocumentSchema(AutoSchema):
    def get_override_parameters(self) -> list[Any]:
        headers = []
        if self.method == "POST" and getattr(self.view, "action", "") in getattr(self.view, "idempotent_actions", ()):
            headers.append(
                OpenApiParameter(
                    "Idempotency-Key", str, OpenApiParameter.HEADER, description="Makes a repeated POST safe for 24 h."
                )
            )
        if self.method in {"PUT", "PATCH", "DELETE"}:
            headers.append(
                OpenApiParameter(
                    "If-Match", str, OpenApiParameter.HEADER, description="The ETag that was read; 412 on a lost race."
                )
            )
        return headers

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        if not any(code.startswith(("4", "5")) for code in bodies):
            described = OpenApiResponse(ErrorDocument, "A refusal")
            shape = self._get_response_for_code(  # type: ignore[no-untyped-call]
                described, "4XX", ["application/json"]
            )
            bodies["4XX"] = shape
        return bodies

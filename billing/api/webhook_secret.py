"""`/api/users/me/webhook-secret`"""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from billing import webhook_secrets
from billing.api.authentication import HasScope
from billing.idempotency import once
from billing.models import User, WebhookSecret
from gofannon.lib import clock
from gofannon.lib.errors import ApiError, NotFound
from gofannon.lib.rest.fields import InstantField


class WebhookSecretSerializer(serializers.Serializer[Any]):
    hint = serializers.CharField(help_text="the masked secret")
    created_at = InstantField()
    previous_until = serializers.SerializerMethodField(help_text="so long the secret before it signs too")

    def get_previous_until(self, secret: WebhookSecret) -> str | None:
        until = secret.previous_until
        return clock.iso(until) if until is not None and until > timezone.now() else None


class NewWebhookSecret(WebhookSecretSerializer):
    secret = serializers.CharField(help_text="`whsec_...`, shown in this answer alone")


class WebhookSecretView(APIView):
    """The secret that signs every webhook about the caller's runs."""

    permission_classes = [IsAuthenticated, HasScope]
    serializer_class = WebhookSecretSerializer
    # What a POST is called where a key makes it safe to repeat.
    action = "create"
    idempotent_actions = ("create",)

    @extend_schema(operation_id="users_me_webhook_secret_retrieve", tags=["users"])
    def get(self, request: Request) -> Response:
        """What can be told of it."""
        secret = _find(self._user(request).pk)
        if secret is None:
            raise NotFound("there is no webhook secret yet; POST makes one")
        return Response(WebhookSecretSerializer(secret).data)

    @extend_schema(
        operation_id="users_me_webhook_secret_create", tags=["users"], request=None, responses={201: NewWebhookSecret}
    )
    def post(self, request: Request) -> Response:
        """Makes the secret, or rotates it: the one before signs beside it for 24 hours."""
        if request.data:
            name = next(iter(request.data)) if isinstance(request.data, dict) else None
            raise ApiError("this takes no body", code="unknown_field", path=name)
        shown: dict[str, str] = {}

        def rotate() -> WebhookSecret:
            secret, shown["secret"] = webhook_secrets.rotate_secret(user=self._user(request))
            return secret

        secret, made = once(request, rotate, _find)
        headers = {} if made else {"Idempotent-Replay": "true"}
        body = {**WebhookSecretSerializer(secret).data, **shown}
        return Response(body, status=status.HTTP_201_CREATED, headers=headers)

    @extend_schema(
        operation_id="users_me_webhook_secret_destroy",
        tags=["users"],
        responses={204: OpenApiResponse(description="Forgotten; the next delivery makes another")},
    )
    def delete(self, request: Request) -> Response:
        """Forgets it at once: whoever knows it can sign nothing more that a receiver should believe."""
        webhook_secrets.delete_secret(user=self._user(request))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _user(self, request: Request) -> User:
        user: Any = request.user
        return user  # type: ignore[no-any-return]


def _find(user_id: str) -> WebhookSecret | None:
    return WebhookSecret.objects.filter(pk=user_id).first()

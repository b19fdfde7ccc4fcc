"""`/api/access-keys`"""

from typing import Any, ClassVar

from django_filters import BooleanFilter, CharFilter, FilterSet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing import actions
from billing.api.documents import DocumentViewSet
from billing.models import AccessKey
from billing.models.access_key import SCOPES
from gofannon.lib.rest.fields import BoundedListField, InstantField
from gofannon.lib.rest.serializers import DocumentSerializer


class AccessKeySerializer(DocumentSerializer):
    user_id = serializers.CharField(max_length=255)
    scopes = BoundedListField(child=serializers.ChoiceField(SCOPES), required=False, max_length=len(SCOPES))
    expires_at = InstantField(required=False, allow_null=True)
    secret = serializers.SerializerMethodField(help_text="only in the answer that made the key")

    class Meta(DocumentSerializer.Meta):
        model = AccessKey
        system_fields = (
            *DocumentSerializer.Meta.system_fields,
            "user_id",
            "hint",
            "scopes",
            "expires_at",
            "last_used_at",
            "revoked_at",
        )
        create_fields = ("scopes", "expires_at")
        fields = (
            "_id",
            "name",
            "user_id",
            "hint",
            "secret",
            "scopes",
            "expires_at",
            "last_used_at",
            "revoked_at",
            "version",
            "created_at",
            "updated_at",
        )

    def get_secret(self, key: AccessKey) -> str | None:
        secret: str | None = self.context.get("secret")
        return secret

    def to_representation(self, key: AccessKey) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(key)
        if shown["secret"] is None:
            del shown["secret"]
        return shown


class AccessKeyFilters(FilterSet):
    user_id = CharFilter()
    revoked = BooleanFilter(field_name="revoked_at", lookup_expr="isnull", exclude=True)

    class Meta:
        model = AccessKey
        fields: ClassVar[dict[str, Any]] = {"name": ["exact"]}


@extend_schema(tags=["access-keys"])
class AccessKeyViewSet(DocumentViewSet):
    """Programs sign in with `Authorization: Bearer gfn_...`. DELETE revokes: the row stays as the record of the key."""

    model = AccessKey
    serializer_class = AccessKeySerializer
    filterset_class = AccessKeyFilters
    secret: str | None = None

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "secret": self.secret}

    def make(self, values: dict[str, Any]) -> AccessKey:
        made_with = self.request.auth if isinstance(self.request.auth, AccessKey) else None
        user: Any = self.request.user
        key, self.secret = actions.create_access_key(user=user, made_with=made_with, **values)
        return key

    def remove(self, document: AccessKey, expected: int | None) -> None:
        actions.revoke_access_key(access_key=document, expected_version=expected)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def revoke(self, request: Request, pk: str) -> Response:
        """Ends the key at once and for ever."""
        document = self.editable()
        actions.revoke_access_key(access_key=document)
        return self.rendered(document)

"""`/api/sessions`"""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.documents import DocumentViewSet
from billing.api.serializers import child_page_links
from gofannon.lib import ids
from gofannon.lib.rest.children import ChildPages, NewestField
from gofannon.lib.rest.fields import AnyField, InstantField, ObjectField
from gofannon.lib.rest.filters import ListedFilterSet, listed
from gofannon.lib.rest.serializers import DocumentSerializer, StrictSerializer
from workflows.models import Session
from workflows.models.session import Metadata


class SessionMessageSerializer(StrictSerializer):
    role = serializers.CharField(max_length=40)
    content = AnyField(required=False, allow_null=True)
    timestamp = InstantField()


@extend_schema_field(Metadata)  # type: ignore[arg-type]
class MetadataField(ObjectField):
    """Judged by the session itself."""


class SessionSerializer(DocumentSerializer):
    user_id = serializers.CharField(max_length=ids.MAX_LENGTH)
    agent_id = serializers.CharField(max_length=ids.MAX_LENGTH)
    messages = NewestField(child=SessionMessageSerializer(), help_text="the newest 100")
    metadata = MetadataField(required=False)
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)
    _links = serializers.SerializerMethodField(method_name="links")

    class Meta(DocumentSerializer.Meta):
        model = Session
        fields = (
            "_id",
            "title",
            "user_id",
            "agent_id",
            "messages",
            "metadata",
            "version",
            "created_at",
            "updated_at",
            "expires_at",
            "_links",
        )
        system_fields = (*DocumentSerializer.Meta.system_fields, "user_id", "messages")

    def links(self, session: Session) -> dict[str, str]:
        return child_page_links(Session.COLLECTION, session, "messages")


class SessionFilters(ListedFilterSet):
    tag = listed("tags")

    class Meta:
        model = Session
        fields: ClassVar[dict[str, Any]] = {"agent_id": ["exact"], "user_id": ["exact"]}


@extend_schema(tags=["sessions"])
class SessionViewSet(ChildPages, DocumentViewSet):
    model = Session
    serializer_class = SessionSerializer
    filterset_class = SessionFilters

    @extend_schema(responses=SessionMessageSerializer(many=True))
    @action(detail=True, filter_backends=[], heavy_columns=("content",))
    def messages(self, request: Request, pk: str) -> Response:
        """All messages, oldest first."""
        return self.child_page("messages", SessionMessageSerializer)

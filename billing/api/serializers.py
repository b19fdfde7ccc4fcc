"""Wire shapes that definitions share."""

from typing import Any

from rest_framework import serializers

from billing.models import Visibility
from gofannon.lib.rest.serializers import DocumentSerializer

OWNED_FIELDS = ("version", "owner_id", "team_id", "visibility", "created_at", "updated_at")


class OwnedSerializer(DocumentSerializer):
    """Adds who owns a definition and who sees it."""

    owner_id = serializers.CharField(max_length=255)
    team_id = serializers.CharField(max_length=255, required=False, allow_null=True)
    visibility = serializers.ChoiceField(Visibility.choices, required=False)
    version = serializers.IntegerField(min_value=1, max_value=2**31 - 1)

    class Meta(DocumentSerializer.Meta):
        system_fields: tuple[str, ...] = (*DocumentSerializer.Meta.system_fields, "owner_id")


def child_page_links(collection: str, document: Any, *names: str) -> dict[str, str]:
    """`_links` of a document's growing arrays."""
    return {name: f"/api/{collection}/{document.pk}/{name}" for name in names}

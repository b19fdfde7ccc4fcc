"""`/api/skills`"""

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers

from agents.models import Skill
from billing.api.documents import OwnedDocumentViewSet
from billing.api.serializers import OWNED_FIELDS, OwnedSerializer
from gofannon.lib.rest.fields import NamesField
from gofannon.lib.rest.filters import ListedFilterSet, listed


class SkillSerializer(OwnedSerializer):
    tags = NamesField()
    versions = serializers.SerializerMethodField(help_text="the numbers of all stored versions")

    class Meta(OwnedSerializer.Meta):
        model = Skill
        fields = ("_id", "name", "description", "instructions", "tags", "versions", *OWNED_FIELDS)

    def get_versions(self, skill: Skill) -> list[int]:
        return sorted(version.number for version in skill.versions.all())


class SkillFilters(ListedFilterSet):
    tag = listed("tags")

    class Meta:
        model = Skill
        fields: ClassVar[dict[str, Any]] = {"name": ["exact"], "visibility": ["exact"]}


@extend_schema(tags=["skills"])
class SkillViewSet(OwnedDocumentViewSet):
    model = Skill
    serializer_class = SkillSerializer
    filterset_class = SkillFilters
    ordering_fields = ("created_at", "name")

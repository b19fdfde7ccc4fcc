"""`GET /api/runs/{id}/why`: what the run waits for, in a sentence and as a code."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, viewsets
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from gofannon.lib.rest.fields import InstantField
from workflows.models import Run
from workflows.why import CODES, explain_run


class WhySerializer(serializers.Serializer[Any]):
    status = serializers.CharField()
    code = serializers.ChoiceField(CODES)
    message = serializers.CharField()
    since = InstantField()
    until = InstantField(allow_null=True)
    links = serializers.DictField(child=serializers.CharField())


class WhyPage(viewsets.GenericViewSet[Run]):
    """For the viewset of runs."""

    @extend_schema(responses=WhySerializer, filters=False)
    @action(detail=True, filterset_class=None)
    def why(self, request: Request, pk: str) -> Response:
        """Why the run stands where it stands: one sentence, a code for programs, since when and until when."""
        return Response(WhySerializer(explain_run(self.get_object().pk, request.user)).data)

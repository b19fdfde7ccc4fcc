"""The `usage` object of workflows and executions: the columns of `workflows.models.workflow.Usage`."""

from typing import Any

from rest_framework import serializers

from gofannon.lib.rest.fields import UsdField
from gofannon.lib.rest.serializers import StrictSerializer


def _tokens(column: str) -> Any:
    return serializers.IntegerField(source=column, required=False, min_value=0, max_value=2**63 - 1)


class UsageSerializer(StrictSerializer):
    premium_req = serializers.FloatField(source="usage_premium_req", required=False, min_value=0)
    in_tok = _tokens("usage_in_tok")
    out_tok = _tokens("usage_out_tok")
    cache_read = _tokens("usage_cache_read")
    cache_write = _tokens("usage_cache_write")
    cost = UsdField(source="usage_cost_nano", required=False)

"""Requests written by Hypothesis from the OpenAPI schema: whatever they hold, the answer is never a 5xx."""

import json
from typing import Any
from urllib.parse import urlencode

import pytest
import schemathesis
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.models import User
from gofannon import importing
from tests.factories.runs import deploy
from tests.test_contract import EXAMPLES

pytestmark = pytest.mark.django_db

DOCUMENT = SchemaGenerator().get_schema(request=None, public=True)
FOUND: list[Any] = [found.ok() for found in list[Any](schemathesis.openapi.from_dict(DOCUMENT).get_all_operations())]
OPERATIONS = {f"{operation.method.upper()} {operation.path}": operation for operation in FOUND}


def test_the_schema_is_of_openapi_3_1_and_has_every_collection() -> None:
    assert DOCUMENT["openapi"].startswith("3.1")
    assert {f"/api/{collection}" for collection in EXAMPLES} <= set(DOCUMENT["paths"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_is_answered_by_a_fault_of_ours(staff: User, as_: Any, name: str) -> None:
    deploy(staff)
    for collection, example in EXAMPLES.items():
        importing.import_document(actor=staff, collection=collection, document=example)
    collection = name.split("/")[2] if name.count("/") > 1 else ""
    known_id = EXAMPLES.get(collection, {}).get("_id", staff.pk)
    client = as_(staff)

    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=OPERATIONS[name].as_strategy(), known=st.booleans())
    def attempt(case: Any, known: bool) -> None:
        if known:
            case.path_parameters = {**case.path_parameters, "id": known_id, "name": "echo"}
        sent = case.as_transport_kwargs()
        body = json.dumps(sent["json"]) if "json" in sent else sent.get("data", b"")
        query = urlencode(sent.get("params") or {}, doseq=True)
        # A worker would hear of a job; here nobody waits for one.
        headers = {**{k: v for k, v in sent["headers"].items() if v.isascii()}, "Prefer": "wait=0"}
        response = client.generic(
            sent["method"], f"{sent['url']}?{query}", body, content_type="application/json", headers=headers
        )
        assert response.status_code < 500, response.content

    attempt()

"""Every endpoint shows itself in a browser, and its schema and documentation are served."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import User
from gofannon import importing
from gofannon.api.root import COLLECTIONS
from tests.test_contract import EXAMPLES
from tests.test_openapi import DOCUMENT

pytestmark = pytest.mark.django_db

READABLE = [path for path, item in DOCUMENT["paths"].items() if "get" in item and path != "/api/schema"]


@pytest.mark.parametrize("path", READABLE)
def test_every_endpoint_has_a_page(staff: User, as_: Any, path: str) -> None:
    for collection, example in EXAMPLES.items():
        importing.import_document(actor=staff, collection=collection, document=example)
    collection = path.split("/")[2] if path.count("/") > 1 else ""
    known = EXAMPLES.get(collection, {}).get("_id", staff.pk)
    url = path.replace("{id}", known).replace("{provider}", "openai")
    response = as_(staff).get(url, headers={"Accept": "text/html"})
    assert response.status_code in {200, 404}, response.content
    assert response["Content-Type"].startswith("text/html")
    assert b"Django REST framework" in response.content


def test_the_root_names_every_collection(api: APIClient) -> None:
    links = api.get("/api").json()
    assert set(COLLECTIONS) <= set(links)
    for name in COLLECTIONS:
        assert api.get(links[name]).status_code == 200, name


def test_no_address_ends_in_a_slash(api: APIClient) -> None:
    for name in COLLECTIONS:
        assert api.get(f"/api/{name}/").status_code == 404
    assert not [path for path in DOCUMENT["paths"] if path.endswith("/")]


def test_swagger_ui_needs_no_other_host(api: APIClient) -> None:
    page = api.get("/api/docs").content.decode()
    assert "/static/drf_spectacular_sidecar/" in page
    assert "//cdn" not in page

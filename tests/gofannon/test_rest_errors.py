from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path
from rest_framework.test import APIClient

from billing.models import User
from gofannon.lib.rest import errors

pytestmark = pytest.mark.django_db


def refused(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status
    assert response["Content-Type"] == "application/json"
    error: dict[str, Any] = response.json()["error"]
    assert set(response.json()) == {"error"}
    assert error["code"] == code
    assert error["message"]
    assert error["request_id"] == response["X-Request-Id"]
    return error


@pytest.mark.parametrize("path", ["/api/nothing", "/api/skills/nothing", "/api/skills/", "/api/"])
def test_404(api: APIClient, path: str) -> None:
    refused(api.get(path), 404, "not_found")


def test_405(api: APIClient) -> None:
    response = api.delete("/api/skills")
    refused(response, 405, "method_not_allowed")
    assert "GET" in response["Allow"]


def test_415(api: APIClient) -> None:
    refused(api.post("/api/skills", "name=x", content_type="text/plain"), 415, "unsupported_media_type")


def test_malformed(api: APIClient) -> None:
    refused(api.post("/api/skills", "{", content_type="application/json"), 400, "malformed_json")


def test_401(as_: Any) -> None:
    response = as_(None).get("/api/skills")
    refused(response, 401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


@override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=1000)
def test_413(api: APIClient) -> None:
    assert api.post("/api/skills", {"name": "x", "instructions": "x" * 500}).status_code == 201
    refused(api.post("/api/skills", {"name": "y", "instructions": "x" * 1000}), 413, "body_too_large")


def test_several_fields_are_all_named(api: APIClient) -> None:
    error = refused(api.post("/api/skills", {"name": "", "visibility": "secret"}), 400, "blank")
    assert error["path"] == "name"
    assert [(each["path"], each["code"]) for each in error["errors"]] == [
        ("name", "blank"),
        ("visibility", "invalid_choice"),
    ]


def test_no_more_than_twenty_errors_are_named_and_the_others_counted(api: APIClient) -> None:
    unknown = {f"colour{n}": 1 for n in range(1000)}
    error = refused(api.post("/api/skills", {"name": "x", **unknown}), 400, "unknown_field")
    assert (len(error["errors"]), error["more"]) == (20, 980)


def test_errors_of_many_items_are_counted_too(api: APIClient) -> None:
    members = [{"colour": "red", "taste": "sour"}] * 100
    error = refused(api.post("/api/teams", {"name": "x", "members": members}), 400, "unknown_field")
    assert (len(error["errors"]), error["more"]) == (20, 180)
    assert error["errors"][2]["path"] == "members[1].colour"


def test_references_that_lead_nowhere_are_counted_too(api: APIClient) -> None:
    members = [{"user_id": f"nobody{n}", "role": "viewer"} for n in range(500)]
    error = refused(api.post("/api/teams", {"name": "x", "members": members}), 400, "unknown_reference")
    assert (len(error["errors"]), error["more"]) == (20, 480)


@pytest.mark.parametrize(("path", "field"), [("skills", "tags"), ("teams", "members"), ("access-keys", "scopes")])
def test_a_list_that_is_too_long_is_one_error(api: APIClient, path: str, field: str) -> None:
    error = refused(api.post(f"/api/{path}", {"name": "x", field: [{}] * 1001}), 400, "max_length")
    assert (error["path"], "errors" in error) == (field, False)


def test_a_sane_request_id_is_kept(api: APIClient) -> None:
    response = api.get("/api/nothing", headers={"X-Request-Id": "mine-1"})
    assert (response["X-Request-Id"], response.json()["error"]["request_id"]) == ("mine-1", "mine-1")
    assert api.get("/api/nothing", headers={"X-Request-Id": "a b"})["X-Request-Id"].startswith("req_")


@pytest.mark.parametrize(
    ("etag", "status"),
    [
        ('"1"', 200),
        ('W/"1"', 200),
        ("*", 200),
        ('"2"', 412),
        ("x", 412),
        ('"1", "2"', 412),
        ('"' + "9" * 30 + '"', 412),
    ],
)
def test_if_match(api: APIClient, etag: str, status: int) -> None:
    made = api.post("/api/skills", {"name": "x"})
    assert made["ETag"] == '"1"'
    response = api.patch(made["Location"], {"name": "y"}, headers={"If-Match": etag})
    assert response.status_code == status
    if status == 412:
        refused(response, 412, "precondition_failed")
        refused(api.delete(made["Location"], headers={"If-Match": etag}), 412, "precondition_failed")
        assert api.get(made["Location"]).json()["name"] == "x"


def fail(request: Any) -> HttpResponse:
    raise RuntimeError("the words of a fault")


urlpatterns = [path("api/fault", fail)]
handler404 = errors.not_found
handler500 = errors.server_error


@override_settings(ROOT_URLCONF=__name__)
def test_500_tells_no_details(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(raise_request_exception=False)
    response = client.get("/api/fault")
    refused(response, 500, "internal_error")
    assert "the words of a fault" not in response.content.decode()
    assert "the words of a fault" in caplog.text
    refused(client.get("/elsewhere"), 404, "not_found")


@pytest.mark.parametrize("url", ["/api", "/api/skills", "/api/skills/{}", "/api/users", "/api/users/me", "/api/teams"])
def test_a_browser_gets_pages(owner: User, client: Client, url: str) -> None:
    client.force_login(owner)
    made = client.post("/api/skills", {"name": "x"}, content_type="application/json").json()["_id"]
    response = client.get(url.format(made), headers={"Accept": "text/html"})
    assert (response.status_code, response["Content-Type"]) == (200, "text/html; charset=utf-8")


@pytest.mark.parametrize("url", ["/api/users/me/usage", "/api/users/me/api-keys", "/api/access-keys", "/api/skills/x"])
def test_a_browser_gets_pages_of_parts_and_refusals(owner: User, client: Client, url: str) -> None:
    client.force_login(owner)
    response = client.get(url, headers={"Accept": "text/html"})
    assert response.status_code == (404 if url.endswith("x") else 200)
    assert response["Content-Type"] == "text/html; charset=utf-8"


def test_a_browsers_bad_form_is_a_page_too(owner: User, client: Client) -> None:
    client.force_login(owner)
    for url in ("/api/users/me", "/api/teams"):
        method = client.put if url.endswith("me") else client.post
        body = {"basic_info": {"colour": 1}, "members": 5}
        response = method(url, body, content_type="application/json", headers={"Accept": "text/html"})
        assert (response.status_code, response["Content-Type"]) == (400, "text/html; charset=utf-8")

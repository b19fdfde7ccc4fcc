from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import User

pytestmark = pytest.mark.django_db


def test_the_document_has_the_shape_of_the_contract(api: APIClient, owner: User) -> None:
    shown = api.get("/api/users/me").json()
    assert shown.pop("created_at").endswith("Z")
    assert shown.pop("updated_at").endswith("Z")
    assert shown["usage_info"].pop("last_reset").endswith("Z")
    assert shown == {
        "_id": owner.pk,
        "basic_info": {
            "display_name": "Owner",
            "email": "owner@example.org",
            "picture_url": None,
            "provider": "local",
        },
        "billing_info": {"plan": "free", "status": "active", "stripe_customer_id": None, "subscription_id": None},
        "usage_info": {"monthly_allowance": 100.0, "spend_remaining": 100.0, "usage": []},
        "api_keys": {
            "openai_api_key": None,
            "anthropic_api_key": None,
            "gemini_api_key": None,
            "perplexity_api_key": None,
        },
        "version": 1,
        "username": "owner",
        "is_staff": False,
        "is_active": True,
        "_links": {"usage": f"/api/users/{owner.pk}/usage"},
    }


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("basic_info", "display_name", "Ada"),
        ("basic_info", "email", "ada@example.org"),
        ("basic_info", "email", None),
        ("basic_info", "picture_url", "https://example.org/ada.png"),
        ("api_keys", "openai_api_key", None),
    ],
)
def test_users_edit_themselves(api: APIClient, section: str, name: str, value: object) -> None:
    response = api.patch("/api/users/me", {section: {name: value}})
    assert response.status_code == 200, response.json()
    assert response.json()[section][name] == value
    assert response.json()["version"] == 2
    assert api.get("/api/users/me").json() == response.json()


@pytest.mark.parametrize(
    ("body", "column", "stored"),
    [
        ({"billing_info": {"plan": "pro"}}, "plan", "pro"),
        ({"billing_info": {"status": "past_due"}}, "billing_status", "past_due"),
        ({"usage_info": {"monthly_allowance": 12.5}}, "monthly_allowance_nano", 12_500_000_000),
        ({"usage_info": {"spend_remaining": -0.000000001}}, "spend_remaining_nano", -1),
        ({"is_active": False}, "is_active", False),
        ({"username": "other"}, "username", "other"),
    ],
)
def test_only_staff_sets_plan_budget_and_standing(
    api: APIClient, staff: User, as_: Any, owner: User, body: dict[str, Any], column: str, stored: object
) -> None:
    url = f"/api/users/{owner.pk}"
    before = getattr(owner, column)
    refused = api.patch(url, body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "read_only")
    owner.refresh_from_db()
    assert getattr(owner, column) == before
    assert as_(staff).patch(url, body).status_code == 200
    owner.refresh_from_db()
    assert getattr(owner, column) == stored


def test_staff_sets_no_budget_of_their_own_as_me(staff: User, as_: Any) -> None:
    response = as_(staff).patch("/api/users/me", {"usage_info": {"spend_remaining": 1000}})
    assert (response.status_code, response.json()["error"]["path"]) == (400, "usage_info.spend_remaining")


@pytest.mark.parametrize("who", ["owner", "staff"])
def test_what_was_read_can_be_put_back(who: str, as_: Any, owner: User, staff: User) -> None:
    client = as_(staff if who == "staff" else owner)
    read = client.get(f"/api/users/{owner.pk}").json()
    read["basic_info"]["display_name"] = "Ada"
    response = client.put(f"/api/users/{owner.pk}", read)
    assert response.status_code == 200, response.json()
    assert response.json()["basic_info"]["display_name"] == "Ada"
    assert response.json()["version"] == 2
    assert response["ETag"] == '"2"'


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"colour": "red"}, "colour", "unknown_field"),
        ({"basic_info": {"colour": "red"}}, "basic_info.colour", "unknown_field"),
        ({"api_keys": {"colour": "red"}}, "api_keys.colour", "unknown_field"),
        ({"basic_info": "Ada"}, "basic_info", "invalid"),
        ({"basic_info": {"display_name": ["Ada"]}}, "basic_info.display_name", "invalid"),
        ({"basic_info": {"email": "nobody"}}, "basic_info.email", "invalid"),
        ({"basic_info": {"picture_url": "javascript:alert(1)"}}, "basic_info.picture_url", "invalid"),
        ({"basic_info": {"provider": "google"}}, "basic_info.provider", "read_only"),
        ({"billing_info": {"stripe_customer_id": "cus_1"}}, "billing_info.stripe_customer_id", "read_only"),
        ({"usage_info": {"usage": [{"response_cost": 1}]}}, "usage_info.usage", "read_only"),
        ({"usage_info": {"last_reset": "2020-01-01T00:00:00Z"}}, "usage_info.last_reset", "read_only"),
        ({"usage_info": {"monthly_allowance": "1"}}, "usage_info.monthly_allowance", "invalid"),
        ({"usage_info": {"monthly_allowance": -1}}, "usage_info.monthly_allowance", "min_value"),
        ({"usage_info": {"monthly_allowance": 1e-10}}, "usage_info.monthly_allowance", "invalid"),
        ({"is_staff": True}, "is_staff", "read_only"),
        ({"_id": "user_other"}, "_id", "read_only"),
        ({"api_keys": []}, "api_keys", "invalid"),
    ],
)
def test_bad_fields_are_refused_with_their_path(
    staff: User, as_: Any, owner: User, body: dict[str, Any], path: str, code: str
) -> None:
    response = as_(staff).patch(f"/api/users/{owner.pk}", body)
    assert response.status_code == 400
    error = response.json()["error"]
    assert (error["path"], error["code"]) == (path, code)
    owner.refresh_from_db()
    assert owner.version == 1


def test_staff_creates_users_with_the_whole_allowance(staff: User, as_: Any) -> None:
    body = {"username": "ada", "basic_info": {"display_name": "Ada"}, "usage_info": {"monthly_allowance": 5}}
    response = as_(staff).post("/api/users", body)
    assert response.status_code == 201, response.json()
    made = response.json()
    assert made["_id"].startswith("user_local_")
    assert (made["username"], made["basic_info"]["display_name"]) == ("ada", "Ada")
    assert made["usage_info"]["spend_remaining"] == 5
    assert not User.objects.get(pk=made["_id"]).has_usable_password()


def test_a_user_without_a_name_is_named_by_id(staff: User, as_: Any) -> None:
    made = as_(staff).post("/api/users", {}).json()
    assert made["username"] == made["_id"]


def test_nobody_but_staff_creates_users(api: APIClient, owner: User) -> None:
    response = api.post("/api/users", {"username": "ada"})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "staff_only")
    assert list(User.objects.all()) == [owner]


def test_a_username_is_taken_once(staff: User, as_: Any, owner: User) -> None:
    response = as_(staff).post("/api/users", {"username": "owner"})
    assert response.status_code == 409
    assert (response.json()["error"]["code"], response.json()["error"]["path"]) == ("duplicate", "username")


def test_a_lost_race_is_412(api: APIClient) -> None:
    body = {"basic_info": {"display_name": "1"}}
    assert api.patch("/api/users/me", body, headers={"If-Match": '"1"'}).status_code == 200
    assert api.patch("/api/users/me", body, headers={"If-Match": '"1"'}).status_code == 412


def test_users_are_filtered_and_ordered(staff: User, as_: Any, owner: User, stranger: User) -> None:
    client = as_(staff)
    assert [row["username"] for row in client.get("/api/users?ordering=username").json()["results"]] == [
        "owner",
        "staff",
        "stranger",
    ]
    assert [row["_id"] for row in client.get("/api/users?username=owner").json()["results"]] == [owner.pk]
    assert [row["_id"] for row in client.get("/api/users?is_staff=true").json()["results"]] == [staff.pk]

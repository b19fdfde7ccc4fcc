from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import AccessKey, User

pytestmark = pytest.mark.django_db


def make(api: APIClient, **fields: object) -> dict[str, Any]:
    response = api.post("/api/access-keys", {"name": "laptop", **fields})
    assert response.status_code == 201, response.json()
    body: dict[str, Any] = response.json()
    return body


def test_the_secret_is_shown_once(api: APIClient, owner: User) -> None:
    made = make(api, scopes=["read"], expires_at="2100-01-01T00:00:00Z")
    secret = made.pop("secret")
    assert secret.startswith("gfn_")
    assert made["hint"] == f"gfn...{secret[-4:]}"
    assert (made["user_id"], made["scopes"], made["expires_at"]) == (owner.pk, ["read"], "2100-01-01T00:00:00Z")
    assert api.get(f"/api/access-keys/{made['_id']}").json() == made
    assert api.get("/api/access-keys").json()["results"] == [made]


def test_a_replay_shows_no_secret(api: APIClient) -> None:
    headers = {"Idempotency-Key": "k"}
    first = api.post("/api/access-keys", {"name": "laptop"}, headers=headers).json()
    again = api.post("/api/access-keys", {"name": "laptop"}, headers=headers)
    assert again["Idempotent-Replay"] == "true"
    assert first.pop("secret")
    assert (again.status_code, again.json()) == (201, first)
    assert AccessKey.objects.count() == 1


def test_scopes_default_to_all_but_admin(api: APIClient) -> None:
    assert make(api)["scopes"] == ["read", "run", "write"]


@pytest.mark.parametrize(
    ("fields", "status", "path", "code"),
    [
        ({"scopes": ["fly"]}, 400, "scopes[0]", "invalid_choice"),
        ({"scopes": []}, 400, "scopes", "invalid_choice"),
        ({"scopes": ["read", "read"]}, 400, "scopes", "invalid_choice"),
        ({"scopes": "read"}, 400, "scopes", "invalid"),
        ({"scopes": ["admin"]}, 403, "scopes", "staff_only"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, 400, "expires_at", "invalid"),
        ({"expires_at": "tomorrow"}, 400, "expires_at", "invalid"),
        ({"name": ""}, 400, "name", "blank"),
        ({"secret": "gfn_mine"}, 400, "secret", "read_only"),
        ({"user_id": "other"}, 400, "user_id", "read_only"),
        ({"colour": "red"}, 400, "colour", "unknown_field"),
    ],
)
def test_bad_fields_are_refused_with_their_path(
    api: APIClient, fields: dict[str, Any], status: int, path: str, code: str
) -> None:
    response = api.post("/api/access-keys", {"name": "laptop", **fields})
    error = response.json()["error"]
    assert (response.status_code, error["path"], error["code"]) == (status, path, code)
    assert not AccessKey.objects.exists()


def test_only_the_name_changes_afterwards(api: APIClient) -> None:
    made = make(api)
    url = f"/api/access-keys/{made['_id']}"
    made.pop("secret")
    assert api.put(url, {**made, "name": "desk"}).json()["name"] == "desk"
    for change in ({"scopes": ["read"]}, {"expires_at": "2100-01-01T00:00:00Z"}):
        response = api.patch(url, change)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "read_only")


@pytest.mark.parametrize("way", ["delete", "revoke"])
def test_a_revoked_key_stays_on_record(api: APIClient, way: str) -> None:
    url = f"/api/access-keys/{make(api)['_id']}"
    for _ in range(2):
        response = api.delete(url) if way == "delete" else api.post(f"{url}/revoke")
        assert response.status_code == (204 if way == "delete" else 200)
    shown = api.get(url).json()
    assert shown["revoked_at"].endswith("Z")
    assert shown["version"] == 2
    assert [len(api.get(f"/api/access-keys?revoked={word}").json()["results"]) for word in ("true", "false")] == [1, 0]


def test_a_strangers_key_is_not_there(api: APIClient, stranger: User, as_: Any, staff: User) -> None:
    url = f"/api/access-keys/{make(api)['_id']}"
    client = as_(stranger)
    assert client.get(url).status_code == 404
    assert client.patch(url, {"name": "x"}).status_code == 404
    assert client.delete(url).status_code == 404
    assert client.post(f"{url}/revoke").status_code == 404
    assert AccessKey.objects.filter(name="laptop", revoked_at=None).exists()
    assert as_(staff).delete(url).status_code == 204


def test_a_list_costs_the_same_at_any_length(api: APIClient, django_assert_num_queries: Any) -> None:
    for _ in range(7):
        make(api)
    with django_assert_num_queries(1):
        assert len(api.get("/api/access-keys").json()["results"]) == 7

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from billing import actions
from billing.models import AccessKey, User

pytestmark = pytest.mark.django_db


def with_key(user: User, *scopes: str, **fields: Any) -> tuple[APIClient, AccessKey]:
    key, secret = actions.create_access_key(user=user, name="k", scopes=scopes or None, **fields)
    return APIClient(headers={"Authorization": f"Bearer {secret}"}), key


def test_a_key_signs_in_and_tells_when_it_was_used(owner: User) -> None:
    client, key = with_key(owner)
    assert client.get("/api/users/me").json()["_id"] == owner.pk
    key.refresh_from_db()
    first = key.last_used_at
    assert first
    client.get("/api/users/me")
    key.refresh_from_db()
    assert (key.last_used_at, key.version) == (first, 1)


@pytest.mark.parametrize("flaw", ["expired", "revoked", "inactive"])
def test_a_dead_key_is_401(owner: User, flaw: str) -> None:
    client, key = with_key(owner)
    if flaw == "expired":
        AccessKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    elif flaw == "revoked":
        actions.revoke_access_key(access_key=key)
    else:
        User.objects.update(is_active=False)
    response = client.get("/api/users/me")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "authentication_failed")
    assert response["WWW-Authenticate"] == 'Bearer realm="gofannon"'


@pytest.mark.parametrize("header", ["Bearer gfn_unknown", "Bearer", "Bearer ", "bearer ü", "Basic YTpi", "gfn_x"])
def test_a_header_that_signs_nobody_in_is_401(header: str, db: None) -> None:
    response = APIClient(headers={"Authorization": header}).get("/api/users/me")
    assert response.status_code == 401
    assert "WWW-Authenticate" in response.headers


def test_a_missing_scope_is_403(owner: User) -> None:
    reader, _ = with_key(owner, "read")
    assert reader.get("/api/users/me").status_code == 200
    for response in (
        reader.patch("/api/users/me", {"basic_info": {"display_name": "x"}}),
        reader.post("/api/access-keys", {"name": "x"}),
        reader.delete("/api/users/me"),
    ):
        assert (response.status_code, response.json()["error"]["code"]) == (403, "missing_scope")
    writer, _ = with_key(owner, "write")
    assert writer.get("/api/users/me").status_code == 403
    owner.refresh_from_db()
    assert (owner.display_name, owner.is_active) == ("Owner", True)


def test_a_key_makes_no_key_beyond_itself(owner: User) -> None:
    soon = timezone.now() + timedelta(days=1)
    client, _ = with_key(owner, "read", "write", expires_at=soon)
    refused = client.post("/api/access-keys", {"name": "x", "scopes": ["run"]})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "missing_scope")
    outliving = client.post("/api/access-keys", {"name": "x", "expires_at": "2100-01-01T00:00:00Z"})
    assert (outliving.status_code, outliving.json()["error"]["path"]) == (400, "expires_at")
    made = AccessKey.objects.get(pk=client.post("/api/access-keys", {"name": "x"}).json()["_id"])
    assert (made.scopes, made.expires_at) == (["read", "write"], soon)


def test_staff_rules_by_key_only_with_the_scope_admin(staff: User, owner: User) -> None:
    plain, _ = with_key(staff)
    assert [row["_id"] for row in plain.get("/api/users").json()["results"]] == [staff.pk]
    assert plain.get(f"/api/users/{owner.pk}").status_code == 404
    assert plain.post("/api/users", {"username": "x"}).json()["error"]["code"] == "staff_only"
    assert plain.post("/api/access-keys", {"name": "x", "scopes": ["admin"]}).status_code == 403
    assert plain.get("/api/users/me").json()["is_staff"] is True
    ruling, _ = with_key(staff, "read", "write", "admin")
    assert len(ruling.get("/api/users").json()["results"]) == 2
    assert ruling.post("/api/users", {"username": "x"}).status_code == 201
    staff.refresh_from_db()
    assert (staff.is_staff, staff.is_superuser) == (True, True)


def test_a_session_signs_in_too(owner: User) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(owner)
    assert client.get("/api/users/me").status_code == 200
    refused = client.patch("/api/users/me", {"basic_info": {"display_name": "x"}})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "permission_denied")

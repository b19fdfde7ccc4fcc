from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import User

pytestmark = pytest.mark.django_db

BODY = {"basic_info": {"display_name": "Mallory"}}


@pytest.mark.parametrize("who", ["teammate", "viewer", "stranger"])
def test_others_do_not_see_a_user(who: str, as_: Any, owner: User, request: pytest.FixtureRequest) -> None:
    client = as_(request.getfixturevalue(who))
    url = f"/api/users/{owner.pk}"
    for method in ("get", "delete"):
        assert getattr(client, method)(url).status_code == 404
    for method in ("put", "patch"):
        assert getattr(client, method)(url, BODY).status_code == 404
    assert client.get(f"{url}/usage").status_code == 404
    assert client.get(f"{url}/api-keys").status_code == 404
    assert client.put(f"{url}/api-keys/openai", {"value": "sk-mallory"}).status_code == 404
    assert client.delete(f"{url}/api-keys/openai").status_code == 404
    assert User.objects.filter(pk=owner.pk, display_name="Owner", version=1, is_active=True).exists()
    assert not owner.provider_keys.exists()


def test_a_list_holds_only_oneself_but_for_staff(as_: Any, owner: User, stranger: User, staff: User) -> None:
    assert [row["_id"] for row in as_(stranger).get("/api/users").json()["results"]] == [stranger.pk]
    assert len(as_(staff).get("/api/users").json()["results"]) == 3


@pytest.mark.parametrize("path", ["users", "users/me", "users/me/usage", "users/me/api-keys", "teams", "access-keys"])
def test_nobody_anonymous_sees_anything(as_: Any, path: str, db: None) -> None:
    response = as_(None).get(f"/api/{path}")
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "not_authenticated"
    assert response["WWW-Authenticate"] == 'Bearer realm="gofannon"'


def test_an_id_with_nul_is_404(api: APIClient) -> None:
    assert api.get("/api/users/a%00b").status_code == 404
    assert api.get("/api/users/a%00b/usage").status_code == 404

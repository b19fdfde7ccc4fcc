"""A provider key and an access key are shown nowhere in full."""

import logging
from typing import Any

import pytest
from django.test import Client

from billing import actions
from billing.models import AccessKey, ProviderKey, User
from gofannon.lib.errors import ApiError

pytestmark = pytest.mark.django_db

SECRET = "sk-proj-0123456789abcdef9f2c"


@pytest.fixture(autouse=True)
def _key(owner: User) -> None:
    actions.set_provider_key(user=owner, provider="openai", value=SECRET)


PAGES = [
    "/api/users/me",
    "/api/users",
    "/api/users/{owner}",
    "/api/users/me/api-keys",
    "/api/users/me/api-keys/openai",
    "/api/access-keys",
    "/admin/billing/user/",
    "/admin/billing/user/{owner}/change/",
    "/admin/billing/user/{owner}/history/",
    "/admin/billing/accesskey/",
    "/admin/billing/accesskey/{key}/change/",
]


@pytest.mark.parametrize("accept", ["application/json", "text/html"])
@pytest.mark.parametrize("url", PAGES)
def test_no_page_shows_a_key(url: str, accept: str, client: Client, staff: User, owner: User) -> None:
    key, secret = actions.create_access_key(user=owner, name="laptop")
    client.force_login(staff if "/admin/" in url or "{owner}" in url else owner)
    response = client.get(url.format(owner=owner.pk, key=key.pk), headers={"Accept": accept})
    assert response.status_code == 200
    text = response.content.decode()
    stored = ProviderKey.objects.get().value.token
    assert [hidden for hidden in (SECRET, stored, secret, key.digest) if hidden in text] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("patch", "/api/users/me", {"api_keys": {"openai_api_key": f"{SECRET} x"}}),
        ("patch", "/api/users/me", {"api_keys": {"openai_api_key": SECRET}, "colour": 1}),
        ("patch", "/api/users/me", {"api_keys": SECRET}),
        ("patch", "/api/users/me", {"openai_api_key": SECRET}),
        ("put", "/api/users/me/api-keys/openai", {"value": f"{SECRET}\n{SECRET}"}),
        ("put", "/api/users/me/api-keys/Bad", {"value": SECRET}),
        ("put", "/api/users/me/api-keys/openai", SECRET),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_no_refusal_repeats_a_key(
    api: Any, method: str, path: str, body: Any, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    response = getattr(api, method)(path, body, headers={"Accept": accept})
    assert response.status_code == 400
    assert SECRET not in response.content.decode()
    assert SECRET not in caplog.text


def test_rows_and_errors_print_no_secret(owner: User) -> None:
    provider_key = owner.provider_keys.get()
    access_key, secret = actions.create_access_key(user=owner, name="laptop")
    with pytest.raises(ApiError) as refused:
        actions.set_provider_key(user=owner, provider="openai", value=f"{SECRET} ")
    printed = "".join(f"{thing!r} {thing}" for thing in (provider_key, provider_key.value, access_key, refused.value))
    assert SECRET not in printed
    assert secret not in printed
    assert provider_key.value.token not in printed
    assert str(provider_key) == "openai sk-...9f2c"


def test_an_access_key_is_stored_hashed(owner: User) -> None:
    _, secret = actions.create_access_key(user=owner, name="laptop")
    assert all(secret not in str(value) for value in AccessKey.objects.values().get().values())

import pytest
from rest_framework.test import APIClient

from billing import actions
from billing.models import ProviderKey, User
from gofannon.lib import crypto

pytestmark = pytest.mark.django_db

SECRET = "sk-proj-0123456789abcdef9f2c"
MASK = "sk-...9f2c"


@pytest.fixture
def key(owner: User) -> ProviderKey:
    return actions.set_provider_key(user=owner, provider="openai", value=SECRET)


def secret_of(user: User, provider: str = "openai") -> str:
    return crypto.reveal(user.provider_keys.get(provider=provider).value)


def test_a_key_is_set_by_patch_and_shown_masked(api: APIClient, owner: User) -> None:
    response = api.patch("/api/users/me", {"api_keys": {"openai_api_key": SECRET, "my_llm_api_key": "short"}})
    assert response.status_code == 200, response.json()
    assert response.json()["api_keys"] == {
        "openai_api_key": MASK,
        "anthropic_api_key": None,
        "gemini_api_key": None,
        "perplexity_api_key": None,
        "my_llm_api_key": "...",
    }
    assert secret_of(owner) == SECRET
    assert secret_of(owner, "my_llm") == "short"


def test_the_mask_that_comes_back_keeps_the_key(api: APIClient, owner: User, key: ProviderKey) -> None:
    response = api.put("/api/users/me", api.get("/api/users/me").json())
    assert response.status_code == 200, response.json()
    assert response.json()["api_keys"]["openai_api_key"] == MASK
    assert secret_of(owner) == SECRET


def test_null_removes_a_key(api: APIClient, owner: User, key: ProviderKey) -> None:
    response = api.patch("/api/users/me", {"api_keys": {"openai_api_key": None}})
    assert response.json()["api_keys"]["openai_api_key"] is None
    assert not owner.provider_keys.exists()


@pytest.mark.parametrize("value", ["", " ", "two words", "a\nb", "sk-...0000", 5, ["x"], {}, True, "ü" * 20])
def test_what_is_no_key_is_refused(api: APIClient, owner: User, key: ProviderKey, value: object) -> None:
    response = api.patch("/api/users/me", {"api_keys": {"openai_api_key": value}})
    assert response.status_code == 400
    assert response.json()["error"]["path"] == "api_keys.openai_api_key"
    assert secret_of(owner) == SECRET


@pytest.mark.parametrize("name", ["OpenAI_api_key", "_api_key", "1st_api_key", f"{'a' * 33}_api_key", "openai"])
def test_a_key_of_no_provider_is_unknown(api: APIClient, name: str) -> None:
    response = api.patch("/api/users/me", {"api_keys": {name: SECRET}})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "unknown_field")


def test_the_endpoint_sets_shows_and_deletes_one_key(api: APIClient, owner: User) -> None:
    url = "/api/users/me/api-keys/openai"
    assert api.get(url).status_code == 404
    response = api.put(url, {"value": SECRET})
    assert (response.status_code, response.json()) == (200, {"provider": "openai", "value": MASK})
    assert api.get(url).json() == {"provider": "openai", "value": MASK}
    assert api.get("/api/users/me/api-keys").json()["openai_api_key"] == MASK
    assert api.put(url, {"value": MASK}).status_code == 200
    assert secret_of(owner) == SECRET
    assert api.get("/api/users/me").json()["version"] == 2
    assert api.delete(url).status_code == 204
    assert api.delete(url).status_code == 404


@pytest.mark.parametrize(
    ("provider", "body", "path"),
    [
        ("Bad-Name", {"value": SECRET}, "provider"),
        ("openai", {}, "value"),
        ("openai", {"value": None}, "value"),
        ("openai", {"value": "sk-...0000"}, "value"),
        ("openai", {"value": SECRET, "colour": "red"}, "colour"),
    ],
)
def test_the_endpoint_refuses_with_the_path(api: APIClient, provider: str, body: dict[str, str], path: str) -> None:
    response = api.put(f"/api/users/me/api-keys/{provider}", body)
    assert (response.status_code, response.json()["error"]["path"]) == (400, path)
    assert not ProviderKey.objects.exists()


def test_staff_sees_masks_and_deletes_but_never_sets(staff: User, as_: object, owner: User, key: ProviderKey) -> None:
    client = as_(staff)  # type: ignore[operator]
    url = f"/api/users/{owner.pk}"
    assert client.get(f"{url}/api-keys").json()["openai_api_key"] == MASK
    for response in (
        client.put(f"{url}/api-keys/gemini", {"value": SECRET}),
        client.patch(url, {"api_keys": {"gemini_api_key": SECRET}}),
        client.post("/api/users", {"username": "new", "api_keys": {"gemini_api_key": SECRET}}),
    ):
        assert (response.status_code, response.json()["error"]["code"]) == (403, "owner_only")
    assert list(ProviderKey.objects.all()) == [key]
    assert client.delete(f"{url}/api-keys/openai").status_code == 204
    assert not ProviderKey.objects.exists()


def test_more_keys_than_anybody_has_are_refused_at_once(api: APIClient) -> None:
    response = api.patch("/api/users/me", {"api_keys": {f"p{n}_api_key": None for n in range(101)}})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["path"]) == (400, "max_length", "api_keys")

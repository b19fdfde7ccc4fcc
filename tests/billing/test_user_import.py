import copy
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import documents
from billing.api.user_serializers import UserSerializer
from billing.models import User
from gofannon.lib import crypto, sealed
from gofannon.lib.errors import Conflict

pytestmark = pytest.mark.django_db

# The example of the schema document, word for word.
EXAMPLE: dict[str, Any] = {
    "_id": "user_google_123456789",
    "basic_info": {
        "display_name": "John Doe",
        "email": "john@example.com",
        "picture_url": "https://...",
        "provider": "google",
    },
    "billing_info": {
        "plan": "free",
        "status": "active",
        "stripe_customer_id": "cus_...",
        "subscription_id": "sub_...",
    },
    "usage_info": {
        "monthly_allowance": 100.0,
        "spend_remaining": 87.50,
        "usage": [
            {
                "timestamp": "2024-01-15T10:30:00Z",
                "response_cost": 0.05,
                "agent_id": "agent-id",
                "session_id": "session-id",
            }
        ],
        "last_reset": "2024-01-01T00:00:00Z",
    },
    "api_keys": {
        "openai_api_key": "sk-...",
        "anthropic_api_key": "sk-ant-...",
        "gemini_api_key": "...",
        "perplexity_api_key": "pplx-...",
    },
    "created_at": "2024-01-01T00:00:00Z",
    "updated_at": "2024-01-15T10:30:00Z",
}


def imported(actor: User, body: dict[str, Any]) -> User:
    serializer = UserSerializer(data=body, context={"importing": True})
    serializer.is_valid(raise_exception=True)
    documents.import_document(actor=actor, model=User, values=serializer.validated_data)
    user: User = User.objects.get(pk=body["_id"])
    return user


def test_the_example_reads_back_equal_with_its_keys_masked(staff: User, as_: Any) -> None:
    imported(staff, EXAMPLE)
    shown = as_(staff).get(f"/api/users/{EXAMPLE['_id']}").json()
    masked = {name: sealed.mask(value) for name, value in EXAMPLE["api_keys"].items()}
    assert {name: shown[name] for name in EXAMPLE} == {**EXAMPLE, "api_keys": masked}
    assert (shown["username"], shown["version"]) == (EXAMPLE["_id"], 1)


def test_an_imported_document_can_be_put_back(staff: User, as_: Any) -> None:
    imported(staff, EXAMPLE)
    url = f"/api/users/{EXAMPLE['_id']}"
    response = as_(staff).put(url, as_(staff).get(url).json())
    assert response.status_code == 200, response.json()


def test_entries_and_keys_are_stored(staff: User) -> None:
    body = copy.deepcopy(EXAMPLE)
    body["usage_info"]["usage"] *= 250
    user = imported(staff, body)
    assert list(user.usage.order_by("seq").values_list("seq", flat=True)) == list(range(1, 251))
    assert user.usage_count == 250
    assert crypto.reveal(user.provider_keys.get(provider="anthropic").value) == "sk-ant-..."


def test_an_exported_mask_is_not_taken_for_a_key(staff: User) -> None:
    user = imported(staff, {**EXAMPLE, "api_keys": {"openai_api_key": "sk-...9f2c"}})
    assert not user.provider_keys.exists()


def test_sums_of_doubles_are_rounded(staff: User) -> None:
    body = copy.deepcopy(EXAMPLE)
    body["usage_info"]["spend_remaining"] = 0.1 + 0.2
    assert imported(staff, body).spend_remaining_nano == 300_000_000


def test_an_imported_user_signs_in_by_no_password(staff: User) -> None:
    assert not imported(staff, EXAMPLE).has_usable_password()


def test_a_taken_id_is_refused_and_nothing_is_stored(staff: User, api: APIClient) -> None:
    imported(staff, EXAMPLE)
    with pytest.raises(Conflict) as refused:
        imported(staff, EXAMPLE)
    assert (refused.value.code, refused.value.path) == ("duplicate", "_id")
    assert User.objects.get(pk=EXAMPLE["_id"]).usage.count() == 1

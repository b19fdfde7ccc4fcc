from typing import Any

import pytest
from rest_framework.test import APIClient

from billing import actions
from billing.models import AccessKey, Membership, ProviderKey, Team, User
from tests.factories.billing import spend

pytestmark = pytest.mark.django_db


@pytest.fixture
def leaver(teammate: User) -> User:
    """A user with everything that names a person."""
    columns = {"stripe_customer_id": "cus_1", "subscription_id": "sub_1", "picture_url": "https://example.org/x.png"}
    User.objects.filter(pk=teammate.pk).update(**columns, provider="google")
    actions.set_provider_key(user=teammate, provider="openai", value="sk-0123456789abcdef")
    actions.create_access_key(user=teammate, name="laptop")
    spend(teammate, 3)
    teammate.refresh_from_db()
    return teammate


def test_the_person_is_gone_and_the_ledger_remains(leaver: User, staff: User, as_: Any) -> None:
    client = as_(staff)
    assert client.delete(f"/api/users/{leaver.pk}").status_code == 204
    shown = client.get(f"/api/users/{leaver.pk}").json()
    assert shown["basic_info"] == {"display_name": "", "email": None, "picture_url": None, "provider": ""}
    assert shown["billing_info"]["stripe_customer_id"] is None
    assert shown["billing_info"]["subscription_id"] is None
    assert shown["username"].startswith("deleted_")
    assert (shown["is_active"], len(shown["usage_info"]["usage"])) == (False, 3)
    assert not ProviderKey.objects.filter(user=leaver).exists()
    assert not AccessKey.objects.filter(user=leaver).exists()
    assert not Membership.objects.filter(user=leaver).exists()
    assert not User.objects.get(pk=leaver.pk).has_usable_password()


@pytest.mark.parametrize("path", ["me", "{}"])
def test_users_delete_themselves(leaver: User, as_: Any, path: str) -> None:
    assert as_(leaver).delete(f"/api/users/{path.format(leaver.pk)}").status_code == 204
    assert not User.objects.get(pk=leaver.pk).is_active


def test_nobody_else_deletes_a_user(leaver: User, api: APIClient) -> None:
    assert api.delete(f"/api/users/{leaver.pk}").status_code == 404
    assert User.objects.get(pk=leaver.pk).is_active


def test_a_lost_race_erases_nothing(leaver: User, as_: Any) -> None:
    response = as_(leaver).delete("/api/users/me", headers={"If-Match": '"99"'})
    assert response.status_code == 412
    assert User.objects.get(pk=leaver.pk).email == "teammate@example.org"
    assert AccessKey.objects.filter(user=leaver).exists()


def test_what_runs_is_cancelled_before_anything_is_erased(leaver: User, staff: User) -> None:
    seen: list[str] = []
    actions.BEFORE_LEAVING.append(lambda user: seen.append(user.email))
    try:
        actions.anonymise_user(actor=staff, user=leaver)
    finally:
        actions.BEFORE_LEAVING.pop()
    assert seen == ["teammate@example.org"]


def test_an_owned_team_stays_for_staff(owner: User, team: Team, staff: User, as_: Any) -> None:
    assert as_(owner).delete("/api/users/me").status_code == 204
    assert as_(staff).get(f"/api/teams/{team.pk}").json()["owner_id"] == owner.pk

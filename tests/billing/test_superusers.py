"""Staff has no power over superusers, and somebody always has it."""

from typing import Any

import pytest

from billing import actions
from billing.models import User
from gofannon.lib.errors import ApiError
from tests.factories.billing import UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def clerk(db: None) -> User:
    """Staff without being a superuser."""
    return UserFactory.create(username="clerk", is_staff=True)


def told(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.mark.parametrize(
    "body", [{"is_active": False}, {"username": "x"}, {"basic_info": {"email": "x@example.org"}}, {}]
)
def test_staff_changes_no_superuser(as_: Any, clerk: User, staff: User, body: dict[str, Any]) -> None:
    assert told(as_(clerk).patch(f"/api/users/{staff.pk}", body)) == (403, "superuser_only")
    staff.refresh_from_db()
    assert (staff.version, staff.is_active, staff.username) == (1, True, "staff")


def test_staff_erases_no_superuser(as_: Any, clerk: User, staff: User) -> None:
    assert told(as_(clerk).delete(f"/api/users/{staff.pk}")) == (403, "superuser_only")
    assert User.objects.filter(pk=staff.pk, is_active=True, is_superuser=True).exists()


def test_staff_changes_and_erases_others(as_: Any, clerk: User, owner: User) -> None:
    assert as_(clerk).patch(f"/api/users/{owner.pk}", {"is_active": False}).status_code == 200
    assert as_(clerk).delete(f"/api/users/{owner.pk}").status_code == 204


def test_superusers_change_and_erase_each_other(as_: Any, staff: User) -> None:
    other = UserFactory.create(is_staff=True, is_superuser=True)
    assert as_(staff).patch(f"/api/users/{other.pk}", {"username": "x"}).status_code == 200
    assert as_(staff).delete(f"/api/users/{other.pk}").status_code == 204


@pytest.mark.parametrize("power", ["is_staff", "is_superuser"])
def test_staff_gives_no_power(clerk: User, owner: User, staff: User, power: str) -> None:
    with pytest.raises(ApiError) as changed:
        actions.update_user(actor=clerk, user=owner, values={power: True})
    with pytest.raises(ApiError) as made:
        actions.create_user(actor=clerk, values={power: True})
    assert (changed.value.code, changed.value.path, made.value.code) == ("superuser_only", power, "superuser_only")
    actions.update_user(actor=staff, user=owner, values={power: True})
    assert getattr(User.objects.get(pk=owner.pk), power)


@pytest.mark.parametrize("power", ["is_active", "is_staff", "is_superuser"])
def test_the_last_superuser_stays_one(staff: User, power: str) -> None:
    UserFactory.create(is_staff=True, is_superuser=True, is_active=False)
    with pytest.raises(ApiError) as refused:
        actions.update_user(actor=staff, user=staff, values={power: False})
    assert (refused.value.status, refused.value.code) == (409, "last_superuser")
    UserFactory.create(is_staff=True, is_superuser=True)
    actions.update_user(actor=staff, user=staff, values={power: False})


def test_the_last_superuser_is_not_erased(as_: Any, staff: User) -> None:
    assert told(as_(staff).delete("/api/users/me")) == (409, "last_superuser")
    assert User.objects.filter(pk=staff.pk, is_active=True, username="staff").exists()


def test_the_last_superuser_edits_the_rest(as_: Any, staff: User) -> None:
    assert as_(staff).patch("/api/users/me", {"basic_info": {"display_name": "Ada"}}).status_code == 200

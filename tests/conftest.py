"""The cast: owner owns; teammate edits and viewer reads in the owner's team; stranger is neither; staff operates."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import Membership, Team, User
from tests.factories.billing import TeamFactory, UserFactory


@pytest.fixture
def owner(db: None) -> User:
    return UserFactory.create(username="owner")


@pytest.fixture
def team(owner: User) -> Team:
    return TeamFactory.create(name="crew", owner=owner)


@pytest.fixture
def teammate(team: Team) -> User:
    user = UserFactory.create(username="teammate")
    Membership.objects.create(team=team, user=user, role=Membership.Role.EDITOR)
    return user


@pytest.fixture
def viewer(team: Team) -> User:
    user = UserFactory.create(username="viewer")
    Membership.objects.create(team=team, user=user, role=Membership.Role.VIEWER)
    return user


@pytest.fixture
def stranger(db: None) -> User:
    return UserFactory.create(username="stranger")


@pytest.fixture
def staff(db: None) -> User:
    return UserFactory.create(username="staff", is_staff=True, is_superuser=True)


def client_of(user: User | None) -> APIClient:
    client = APIClient()
    if user is not None:
        client.force_authenticate(user)
    return client


@pytest.fixture
def api(owner: User) -> APIClient:
    """The owner's client."""
    return client_of(owner)


@pytest.fixture
def as_() -> Any:
    """`as_(user)` is that user's client; `as_(None)` is nobody's."""
    return client_of

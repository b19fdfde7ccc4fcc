"""The cast: owner owns; teammate edits and viewer reads in the owner's team; stranger is neither; staff operates."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.db import connection
from rest_framework.test import APIClient

from agents import sandbox
from billing.models import Membership, Team, User
from tests import services
from tests.factories.billing import TeamFactory, UserFactory


@pytest.fixture(scope="session", autouse=True)
def proven_sandbox() -> None:
    """The self-test runs before the tests, so that no run of theirs has to wait for it."""
    for runtime in sandbox.RUNTIMES:
        sandbox.verify(runtime)


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


@pytest.fixture(scope="class")
def platform(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """A real Valkey and a real Celery worker process on this test process's database.

    They end with the class, for a worker takes whatever run is due.
    """
    var = Path(settings.VAR_DIR)
    with services.valkey(var), services.worker(var, database_url()):
        yield


def database_url() -> str:
    """The URL of the test database, for processes of their own."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{database['NAME']}"
    parts = urlsplit(os.environ["DATABASE_URL"])
    return urlunsplit(parts._replace(path=f"/{database['NAME']}"))


@pytest.fixture
def working(platform: None, transactional_db: None) -> None:
    """Tickets are worked on by a real worker."""


def ended(client: APIClient, ticket_id: str, seconds: float = 30) -> dict[str, Any]:
    """The ticket once it has ended; fails the test where it does not."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        ticket: dict[str, Any] = client.get(f"/api/tickets/{ticket_id}").json()
        if ticket["status"] in {"completed", "failed"}:
            return ticket
        time.sleep(0.02)
    pytest.fail(f"the ticket has not ended: {ticket}")

from datetime import UTC, datetime, timedelta

import factory

from billing.models import Team, UsageEntry, User
from gofannon.lib import appending


class UserFactory(factory.django.DjangoModelFactory[User]):
    class Meta:
        model = User

    username = factory.Sequence(lambda n: f"user{n}")
    display_name = factory.LazyAttribute(lambda user: user.username.title())
    email = factory.LazyAttribute(lambda user: f"{user.username}@example.org")


class TeamFactory(factory.django.DjangoModelFactory[Team]):
    class Meta:
        model = Team

    name = factory.Sequence(lambda n: f"team {n}")
    owner = factory.SubFactory(UserFactory)


class UsageEntryFactory(factory.django.DjangoModelFactory[UsageEntry]):
    """An entry that is not stored: `appending.append` numbers and stores it."""

    class Meta:
        model = UsageEntry

    timestamp = factory.Sequence(lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=n))
    cost_nano = 50_000_000
    key = factory.Sequence(lambda n: f"charge-{n}")


def spend(user: User, count: int, **fields: object) -> None:
    """Gives the user `count` usage entries."""
    appending.append(user, "usage", UsageEntryFactory.build_batch(count, **fields))

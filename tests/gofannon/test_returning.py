import pytest
from django.db.models import F

from billing.models import User
from gofannon.lib.returning import update_returning
from tests.factories.billing import UserFactory

pytestmark = pytest.mark.django_db


def test_it_changes_the_rows_and_tells_what_they_hold_now() -> None:
    one, two = (UserFactory.create(username=name, usage_count=5) for name in ("one", "two"))
    found = update_returning(User.objects.filter(pk=one.pk), {"usage_count": F("usage_count") + 2}, "id", "usage_count")
    assert found == [(one.pk, 7)]
    two.refresh_from_db()
    assert two.usage_count == 5


def test_it_tells_nothing_of_rows_that_it_did_not_change() -> None:
    assert update_returning(User.objects.filter(pk="nobody"), {"usage_count": 1}, "id") == []

"""Deliveries are their run's actor's and staff's: to read, and to replay."""

from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from rest_framework.test import APIClient

from billing import actions as billing_actions
from billing.models import User
from tests.workflows.receivers import finished_run, owed
from workflows.models import Delivery

pytestmark = pytest.mark.django_db

URL = "/api/webhook-deliveries"
HOOK = "https://example.org/hook"
TRY = {"at": "2026-01-31T12:00:00Z", "status": 500, "seconds": 0.25}


@pytest.fixture
def failed(owner: User) -> Delivery:
    return owed(owner, HOOK, status="failed", attempts=1, due_at=None, log=[TRY])


def ids(client: APIClient, query: str = "") -> list[str]:
    response = client.get(f"{URL}{query}")
    assert response.status_code == 200, response.json()
    return [one["_id"] for one in response.json()["results"]]


def test_a_delivery_is_shown_with_its_tries(api: APIClient, failed: Delivery) -> None:
    shown = api.get(f"{URL}/{failed.pk}").json()
    listed = api.get(URL).json()["results"][0]
    assert shown == {**listed, "log": [TRY]}
    assert {name: listed[name] for name in ("_id", "run_id", "url", "status", "attempts", "due_at", "replay_of")} == {
        "_id": failed.pk,
        "run_id": failed.run_id,
        "url": HOOK,
        "status": "failed",
        "attempts": 1,
        "due_at": None,
        "replay_of": None,
    }
    assert listed["_links"] == {"run": f"/api/runs/{failed.run_id}", "replay": f"{URL}/{failed.pk}/replay"}


def test_a_list_pages_and_filters_at_a_constant_cost(
    api: APIClient, owner: User, failed: Delivery, django_assert_num_queries: Any
) -> None:
    pending = [owed(owner, HOOK) for _ in range(9)]
    newest = [one.pk for one in reversed(pending)]
    with django_assert_num_queries(1):
        assert ids(api) == [*newest, failed.pk]
    page = api.get(f"{URL}?limit=4").json()
    assert [one["_id"] for one in api.get(page["next"]).json()["results"]] == newest[4:8]
    assert ids(api, "?status=failed") == [failed.pk]
    assert ids(api, f"?run_id={failed.run_id}") == [failed.pk]
    assert ids(api, f"?run_id={failed.run_id}&status=pending") == []
    assert api.get(f"{URL}?run={failed.run_id}").json()["error"]["code"] == "unknown_parameter"
    assert api.get(f"{URL}?status=gone").status_code == 400


@pytest.mark.parametrize("status", ["delivered", "failed"])
def test_what_is_over_is_replayed_as_a_new_delivery(api: APIClient, failed: Delivery, status: str) -> None:
    Delivery.objects.update(status=status)
    response = api.post(f"{URL}/{failed.pk}/replay")
    again = response.json()
    assert (response.status_code, response["Location"]) == (201, f"{URL}/{again['_id']}")
    assert (again["status"], again["attempts"], again["log"], again["url"]) == ("pending", 0, [], HOOK)
    assert (again["replay_of"], again["run_id"]) == (failed.pk, failed.run_id)
    assert again["due_at"].endswith("Z")
    assert again["_id"] != failed.pk
    failed.refresh_from_db()
    assert (failed.status, failed.log) == (status, [TRY])


def test_what_is_under_way_is_not_replayed(api: APIClient, owner: User) -> None:
    pending = owed(owner, HOOK)
    response = api.post(f"{URL}/{pending.pk}/replay")
    assert (response.status_code, response.json()["error"]["code"]) == (409, "not_finished")
    assert Delivery.objects.count() == 1


def test_a_replay_that_is_sent_twice_is_one(api: APIClient, failed: Delivery) -> None:
    first, again = (api.post(f"{URL}/{failed.pk}/replay", headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (again.status_code, again["Idempotent-Replay"], again.json()) == (201, "true", first.json())
    assert Delivery.objects.count() == 2


def test_a_replay_takes_no_body(api: APIClient, failed: Delivery) -> None:
    error = api.post(f"{URL}/{failed.pk}/replay", {"url": "https://elsewhere.example"}).json()["error"]
    assert (error["code"], error["path"]) == ("unknown_field", "url")
    assert Delivery.objects.count() == 1


def test_deliveries_are_not_written(api: APIClient, failed: Delivery) -> None:
    url = f"{URL}/{failed.pk}"
    assert {api.post(URL, {}).status_code, api.put(url, {}).status_code, api.delete(url).status_code} == {405}


@pytest.mark.parametrize("who", ["stranger", "teammate", "viewer"])
def test_nobody_else_sees_or_replays_one(who: str, failed: Delivery, as_: Any, request: pytest.FixtureRequest) -> None:
    client = as_(request.getfixturevalue(who))
    assert ids(client) == []
    assert client.get(f"{URL}/{failed.pk}").status_code == 404
    assert client.post(f"{URL}/{failed.pk}/replay").status_code == 404
    assert Delivery.objects.count() == 1


def test_neither_do_an_agents_owner_and_a_payer_who_did_not_ask(owner: User, stranger: User, as_: Any) -> None:
    run = finished_run(stranger, owner=owner, payer=owner)
    delivery = owed(stranger, HOOK, run=run, status="failed")
    assert as_(owner).get(f"{URL}/{delivery.pk}").status_code == 404
    assert ids(as_(stranger)) == [delivery.pk]


def test_staff_sees_and_replays_all(staff: User, failed: Delivery, as_: Any) -> None:
    assert ids(as_(staff)) == [failed.pk]
    assert as_(staff).post(f"{URL}/{failed.pk}/replay").status_code == 201


def test_the_unknown_are_refused(failed: Delivery, as_: Any) -> None:
    assert as_(None).get(URL).status_code == 401
    assert as_(None).post(f"{URL}/{failed.pk}/replay").status_code == 401


@pytest.mark.parametrize(
    ("scopes", "reads", "replays"), [(["read"], 200, 403), (["run"], 403, 201), (["write"], 403, 403)]
)
def test_a_key_reads_with_read_and_replays_with_run(
    owner: User, failed: Delivery, scopes: list[str], reads: int, replays: int
) -> None:
    _, secret = billing_actions.create_access_key(user=owner, name="laptop", scopes=scopes)
    client, headers = APIClient(), {"Authorization": f"Bearer {secret}"}
    assert client.get(f"{URL}/{failed.pk}", headers=headers).status_code == reads
    assert client.post(f"{URL}/{failed.pk}/replay", headers=headers).status_code == replays


def test_staffs_key_without_admin_sees_their_own_alone(staff: User, failed: Delivery) -> None:
    _, secret = billing_actions.create_access_key(user=staff, name="laptop", scopes=["read"])
    assert APIClient().get(URL, headers={"Authorization": f"Bearer {secret}"}).json()["results"] == []


class TestInTheAdmin:
    PAGE = "/admin/workflows/delivery/"

    def replay(self, user: User, *deliveries: Delivery) -> Any:
        client = Client()
        client.force_login(user)
        chosen = {"action": "replay_selected", "_selected_action": [one.pk for one in deliveries]}
        return client.post(self.PAGE, chosen, follow=True)

    def test_what_is_over_is_replayed_and_what_is_not_is_named(
        self, staff: User, owner: User, failed: Delivery
    ) -> None:
        pending = owed(owner, HOOK)
        page = self.replay(staff, failed, pending).content.decode()
        assert Delivery.objects.get(replay_of=failed).status == "pending"
        assert f"{pending.pk}: the delivery is still under way" in page
        assert Delivery.objects.count() == 3

    @pytest.mark.parametrize(("right", "count"), [("view", 1), ("change", 2)])
    def test_it_takes_the_right_to_change_them(self, owner: User, failed: Delivery, right: str, count: int) -> None:
        User.objects.update(is_staff=True)
        owner.user_permissions.add(*Permission.objects.filter(codename__in={"view_delivery", f"{right}_delivery"}))
        self.replay(User.objects.get(pk=owner.pk), failed)
        assert Delivery.objects.count() == count

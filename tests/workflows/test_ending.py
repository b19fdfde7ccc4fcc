from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import User
from tests.factories.runs import deploy
from workflows.models import Lease, Run, Session

pytestmark = pytest.mark.django_db(transaction=True)


def test_deleting_an_agent_cancels_what_it_has_under_way(api: APIClient, owner: User) -> None:
    agent = deploy(owner).agent
    ticket = api.post("/api/tickets", {"agent_id": agent.pk}).json()
    api.delete(f"/api/agents/{agent.pk}/undeploy")
    assert api.delete(f"/api/agents/{agent.pk}").status_code == 204
    shown = api.get(f"/api/tickets/{ticket['_id']}").json()
    assert (shown["status"], shown["error"]["code"]) == ("failed", "cancelled")
    assert not Lease.objects.exists()


def test_an_agent_that_stays_keeps_its_runs(api: APIClient, owner: User) -> None:
    agent = deploy(owner).agent
    api.post("/api/tickets", {"agent_id": agent.pk})
    assert api.delete(f"/api/agents/{agent.pk}").status_code == 409
    assert Run.objects.get().status == "pending"


def test_a_leaving_users_runs_are_cancelled(owner: User, stranger: User, staff: User, as_: Any) -> None:
    deploy(owner, visibility="public")
    as_(stranger).post("/api/tickets", {"agent_id": "echo"})
    as_(owner).post("/api/tickets", {"agent_id": "echo"})
    assert as_(staff).delete(f"/api/users/{stranger.pk}").status_code == 204
    assert set(Run.objects.values_list("actor_id", "status")) == {(stranger.pk, "cancelled"), (owner.pk, "pending")}


def test_a_leaving_users_sessions_forget_from_where_they_came(stranger: User, staff: User, as_: Any) -> None:
    metadata = {"ip_address": "192.0.2.1", "user_agent": "browser", "tags": ["kept"]}
    agent = deploy(staff, visibility="public").agent
    made = as_(stranger).post("/api/sessions", {"agent_id": agent.pk, "metadata": metadata})
    assert made.status_code == 201, made.json()
    as_(staff).delete(f"/api/users/{stranger.pk}")
    assert Session.objects.get().metadata == {"ip_address": None, "user_agent": "", "tags": ["kept"]}

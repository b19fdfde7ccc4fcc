from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from rest_framework.test import APIClient

from agents import actions
from agents.models import Agent, Deployment, DeploymentVersion, Snapshot
from billing.models import Team, User
from tests.factories.runs import deploy, make_agent
from workflows.models import Run

# Committed, because the heartbeat of a run looks at its lease through a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True)


def run(api: APIClient, name: str = "echo") -> Any:
    return api.post(f"/api/agents/{name}/run", {}).json()["output"]


def returning(value: int) -> str:
    return f"def handler(event):\n    return {value}"


def test_deploy_publishes_under_the_friendly_name(api: APIClient, owner: User) -> None:
    agent = make_agent(owner, friendly_name="my-echo", visibility="public")
    response = api.post(f"/api/agents/{agent.pk}/deploy", {})
    assert response.status_code == 201, response.json()
    made = response.json()
    assert (made["_id"], made["agentId"], made["version"], made["visibility"]) == ("my-echo", agent.pk, 1, "public")
    assert response["Location"] == "/api/deployments/my-echo"


def test_without_a_friendly_name_the_agents_name_becomes_one(api: APIClient, owner: User) -> None:
    agent = make_agent(owner, name="MyAgent 2")
    assert api.post(f"/api/agents/{agent.pk}/deploy", {}).json()["_id"] == "my-agent-2"


def test_an_agent_has_several_names(api: APIClient, owner: User) -> None:
    agent = make_agent(owner)
    for name in ("one", "two"):
        assert api.post(f"/api/agents/{agent.pk}/deploy", {"name": name}).status_code == 201
    assert api.get(f"/api/deployments?agent_id={agent.pk}&ordering=id").json()["results"][1]["_id"] == "two"


def test_editing_an_agent_changes_nothing_deployed(api: APIClient, owner: User) -> None:
    agent = deploy(owner, returning(1)).agent
    assert api.patch(f"/api/agents/{agent.pk}", {"code": returning(2)}).status_code == 200
    assert run(api) == 1
    assert api.post(f"/api/agents/{agent.pk}/run", {}).json()["output"] == 2
    api.post(f"/api/agents/{agent.pk}/deploy", {"name": "echo"})
    assert run(api) == 2


def test_the_same_content_is_no_new_version(api: APIClient, owner: User) -> None:
    agent = deploy(owner).agent
    assert api.post(f"/api/agents/{agent.pk}/deploy", {"name": "echo"}).json()["version"] == 1
    assert (DeploymentVersion.objects.count(), Snapshot.objects.count()) == (1, 1)


def test_rollback_and_forward(api: APIClient, owner: User) -> None:
    agent = deploy(owner, returning(1)).agent
    for value in (2, 3):
        api.patch(f"/api/agents/{agent.pk}", {"code": returning(value)})
        api.post(f"/api/agents/{agent.pk}/deploy", {"name": "echo"})
    back = api.post("/api/deployments/echo/rollback", {"version": 1}).json()
    assert (back["version"], [row["version"] for row in back["versions"]], run(api)) == (1, [1, 2, 3], 1)
    assert api.post("/api/deployments/echo/rollback", {"version": 3}).status_code == 200
    assert run(api) == 3


def test_a_rollback_then_a_deploy_makes_the_next_number(api: APIClient, owner: User) -> None:
    agent = deploy(owner, returning(1)).agent
    api.patch(f"/api/agents/{agent.pk}", {"code": returning(2)})
    api.post(f"/api/agents/{agent.pk}/deploy", {"name": "echo"})
    api.post("/api/deployments/echo/rollback", {"version": 1})
    api.patch(f"/api/agents/{agent.pk}", {"code": returning(3)})
    assert api.post(f"/api/agents/{agent.pk}/deploy", {"name": "echo"}).json()["version"] == 3


@pytest.mark.parametrize(("body", "status", "code"), [({"version": 9}, 404, "not_found"), ({}, 400, "required")])
def test_a_version_that_never_was(api: APIClient, owner: User, body: Any, status: int, code: str) -> None:
    deploy(owner)
    response = api.post("/api/deployments/echo/rollback", body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_undeploy_takes_one_name_or_all(api: APIClient, owner: User) -> None:
    agent = deploy(owner, name="one").agent
    api.post(f"/api/agents/{agent.pk}/deploy", {"name": "two"})
    assert api.delete(f"/api/agents/{agent.pk}/undeploy?name=one").json() == {"undeployed": ["one"]}
    assert api.post("/api/agents/one/run", {}).status_code == 404
    assert api.delete(f"/api/agents/{agent.pk}/undeploy").json() == {"undeployed": ["two"]}
    assert api.delete(f"/api/agents/{agent.pk}/undeploy").status_code == 404


def test_post_makes_a_deployment_with_a_chosen_name(api: APIClient, owner: User) -> None:
    agent = make_agent(owner)
    body = {"_id": "chosen", "agentId": agent.pk, "visibility": "public"}
    response = api.post("/api/deployments", body)
    assert response.status_code == 201, response.json()
    assert {name: response.json()[name] for name in body} == body
    again = api.post("/api/deployments", body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "duplicate")


@pytest.mark.parametrize(
    "name",
    [
        "Upper",
        "-dash",
        "a b",
        "x" * 64,
        "",
        "550e8400-e29b-41d4-a716-446655440000",
        "550e8400e29b41d4a716446655440000",
        "ä",
    ],
)
def test_a_bad_name_is_refused(api: APIClient, owner: User, name: str) -> None:
    agent = make_agent(owner)
    for response in (
        api.post("/api/deployments", {"_id": name, "agentId": agent.pk}),
        api.post(f"/api/agents/{agent.pk}/deploy", {"name": name}),
    ):
        assert response.status_code == 400
        assert response.json()["error"]["code"] in {"invalid_name", "blank", "max_length"}
    assert not Deployment.objects.exists()


def test_a_name_belongs_to_whoever_took_it(api: APIClient, owner: User, stranger: User, as_: Any) -> None:
    deploy(owner, returning(1))
    theirs = make_agent(stranger, returning(2), name="theirs")
    response = as_(stranger).post(f"/api/agents/{theirs.pk}/deploy", {"name": "echo"})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "duplicate")
    assert run(api) == 1


def test_only_editors_deploy(owner: User, stranger: User, as_: Any) -> None:
    agent = make_agent(owner, visibility="public")
    client = as_(stranger)
    assert client.post(f"/api/agents/{agent.pk}/deploy", {}).status_code == 403
    assert client.post("/api/deployments", {"_id": "mine", "agentId": agent.pk}).status_code == 403
    assert not Deployment.objects.exists()


def test_an_archived_deployment_runs_no_more(api: APIClient, owner: User) -> None:
    deploy(owner)
    api.post("/api/deployments/echo/archive")
    response = api.post("/api/agents/echo/run", {})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "archived")


def test_pointing_a_name_at_another_agent_is_a_new_version(api: APIClient, owner: User) -> None:
    deploy(owner, returning(1))
    other = make_agent(owner, returning(2), name="other")
    shown = api.get("/api/deployments/echo").json()
    response = api.put("/api/deployments/echo", {**shown, "agentId": other.pk})
    assert (response.status_code, response.json()["version"], run(api)) == (200, 2, 2)


def test_a_list_costs_two_queries(api: APIClient, owner: User, django_assert_num_queries: Any) -> None:
    for name in ("a", "b", "c"):
        deploy(owner, name=name)
    with django_assert_num_queries(2):
        assert len(api.get("/api/deployments").json()["results"]) == 3


def test_undeploy_finds_a_name_that_is_not_the_agents(api: APIClient, owner: User) -> None:
    agent = deploy(owner).agent
    api.post(f"/api/agents/{agent.pk}/deploy", {"name": "other"})
    assert api.delete(f"/api/agents/{agent.pk}/undeploy?name=other").json() == {"undeployed": ["other"]}
    assert Deployment.objects.get().pk == "echo"


def test_an_editor_undeploys_only_what_they_may_edit(owner: User, team: Team, teammate: User, as_: Any) -> None:
    agent = make_agent(owner, team_id=team.pk, visibility="team")
    as_(owner).post(f"/api/agents/{agent.pk}/deploy", {"name": "hidden", "visibility": "private"})
    assert as_(teammate).delete(f"/api/agents/{agent.pk}/undeploy").status_code == 404
    assert Deployment.objects.filter(pk="hidden").exists()


def test_an_editor_puts_nobodys_else_code_behind_a_name(owner: User, team: Team, teammate: User, as_: Any) -> None:
    deploy(owner, returning(1), team_id=team.pk, visibility="team")
    theirs = make_agent(teammate, returning(2), name="theirs")
    client = as_(teammate)
    answers = [
        client.post(f"/api/agents/{theirs.pk}/deploy", {"name": "echo"}),
        client.patch("/api/deployments/echo", {"agentId": theirs.pk}),
    ]
    assert [(answer.status_code, answer.json()["error"]["code"]) for answer in answers] == [(403, "owner_only")] * 2
    assert run(as_(owner)) == 1


def test_a_run_is_owned_by_its_agents_owner(owner: User, staff: User, stranger: User, as_: Any) -> None:
    deploy(owner, returning(1), visibility="public")
    other = make_agent(staff, returning(2), name="other")
    assert as_(staff).patch("/api/deployments/echo", {"agentId": other.pk}).status_code == 200
    assert run(as_(stranger)) == 2
    found = Run.objects.get()
    assert (found.actor_id, found.owner_id, found.payer_id) == (stranger.pk, staff.pk, stranger.pk)


def test_a_version_whose_agent_is_gone_is_not_gone_back_to(api: APIClient, owner: User) -> None:
    first = deploy(owner, returning(1)).agent
    other = make_agent(owner, returning(2), name="other")
    api.post(f"/api/agents/{other.pk}/deploy", {"name": "echo"})
    assert api.delete(f"/api/agents/{first.pk}").status_code == 204
    response = api.post("/api/deployments/echo/rollback", {"version": 1})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "agent_gone")
    assert run(api) == 2


def test_the_same_key_deploys_once(api: APIClient, owner: User) -> None:
    agent = make_agent(owner)
    url, headers = f"/api/agents/{agent.pk}/deploy", {"Idempotency-Key": "k"}
    first, again = (api.post(url, {"name": "a"}, headers=headers).json() for _ in range(2))
    assert first == again
    assert api.post(url, {"name": "b"}, headers=headers).status_code == 422
    assert Deployment.objects.count() == 1


def test_deploys_at_once_get_numbers_of_their_own(owner: User) -> None:
    agents = [make_agent(owner, returning(n), name=f"a{n}") for n in range(4)]
    deploy(owner, returning(9))

    def publish(agent: Agent) -> int:
        try:
            return actions.deploy_agent(actor=owner, agent=agent, name="echo").number
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(publish, agents)) == [2, 3, 4, 5]


def test_the_admin_deploys_under_a_chosen_name(owner: User, staff: User) -> None:
    agent = make_agent(owner, returning(3))
    client = Client()
    client.force_login(staff)
    sent = {"id": "from-admin", "agent": agent.pk, "owner": owner.pk, "visibility": "public"}
    inline = {"versions-TOTAL_FORMS": 0, "versions-INITIAL_FORMS": 0}
    answer = client.post("/admin/agents/deployment/add/", {**sent, **inline})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    assert Deployment.objects.get(pk="from-admin").number == 1

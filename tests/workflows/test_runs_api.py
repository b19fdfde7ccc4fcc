from typing import Any

import pytest
from rest_framework.test import APIClient

from agents.models import Deployment
from billing.models import Team, User
from tests.factories.runs import deploy
from tickets import actions
from workflows import transitions
from workflows.models import Effect, Run

pytestmark = pytest.mark.django_db


@pytest.fixture
def runs(api: APIClient, owner: User) -> list[str]:
    deploy(owner)
    return [api.post("/api/tickets", {"agent_id": "echo", "input": n}).json()["run_id"] for n in range(4)]


def test_a_list_costs_two_queries(api: APIClient, runs: list[str], django_assert_num_queries: Any) -> None:
    transitions.request_cancel(Run.objects.get(pk=runs[0]))  # one without a lease among those with
    with django_assert_num_queries(2):
        found = api.get("/api/runs").json()["results"]
    assert [run["_id"] for run in found] == runs[::-1]
    assert [run["lease"] is None for run in found] == [False, False, False, True]


def test_filters_find_by_status_agent_and_deployment(api: APIClient, runs: list[str]) -> None:
    transitions.request_cancel(Run.objects.get(pk=runs[1]))
    assert [run["_id"] for run in api.get("/api/runs?status=cancelled").json()["results"]] == [runs[1]]
    agent_id = Run.objects.get(pk=runs[0]).agent_id
    assert len(api.get(f"/api/runs?agent_id={agent_id}&status=pending").json()["results"]) == 3
    assert api.get("/api/runs?deployment_id=other").json()["results"] == []


def test_a_run_shows_whose_it_is_and_where_it_stands(api: APIClient, owner: User, runs: list[str]) -> None:
    run = api.get(f"/api/runs/{runs[0]}").json()
    assert (run["actor_id"], run["owner_id"], run["payer_id"]) == (owner.pk, owner.pk, owner.pk)
    assert (run["status"], run["input"], run["output"], run["cost"], run["attempt"]) == ("pending", 0, None, 0.0, 0)
    links = run["_links"]
    assert set(links) == {"events", "effects", "why", "approvals", "deliveries"}
    assert {api.get(link).status_code for link in links.values()} == {200}


def test_events_page_in_order_at_two_queries_more_than_the_run(
    api: APIClient, runs: list[str], django_assert_num_queries: Any
) -> None:
    held = transitions.claim_run(runs[0])
    assert held is not None
    transitions.append_events(held, [transitions.Note("log", {"n": n}) for n in range(120)])
    with django_assert_num_queries(3):
        page = api.get(f"/api/runs/{runs[0]}/events?limit=100").json()
    rest = api.get(page["next"]).json()["results"]
    assert [event["seq"] for event in [*page["results"], *rest]] == list(range(1, 123))


def test_effects_are_listed(api: APIClient, runs: list[str]) -> None:
    Effect.objects.create(run_id=runs[0], call="1", name="http.get", effect_class="keyed", attempt=1)
    [effect] = api.get(f"/api/runs/{runs[0]}/effects").json()["results"]
    assert (effect["call"], effect["name"], effect["effect_class"], effect["status"]) == (
        "1",
        "http.get",
        "keyed",
        "intent",
    )


def test_runs_are_read_only(api: APIClient, runs: list[str]) -> None:
    url = f"/api/runs/{runs[0]}"
    assert [api.put(url, {}).status_code, api.delete(url).status_code, api.post("/api/runs", {}).status_code] == [
        405
    ] * 3


class TestWhatIsInside:
    """What went in and out of a run's calls is its agent's affair."""

    @pytest.fixture
    def theirs(self, owner: User, viewer: User, team: Team) -> str:
        """A run that a viewer asked for, of the owner's agent in their team, with a call and a called run."""
        deployment = deploy(owner, name="shared", team_id=team.pk, visibility="team")
        Deployment.objects.filter(pk=deployment.pk).update(visibility="team", team=team)
        target = actions.find_target(actor=viewer, name="shared")
        run = actions.submit_ticket(actor=viewer, target=target, input=1).run
        values = {"arguments": {"key": "s3cret"}, "result": {"key": "s3cret"}, "attempt": 1}
        Effect.objects.create(run=run, call="1", name="http.get", effect_class="keyed", **values)
        child = Run(kind="code", parent=run, actor_id=viewer.pk, payer_id=viewer.pk, owner_id=owner.pk, agent_id="x")
        transitions.create_run(child)
        return str(run.pk)

    @pytest.mark.parametrize(("who", "inside"), [("owner", True), ("staff", True), ("viewer", False)])
    def test_only_its_agents_people_see_it(
        self, as_: Any, theirs: str, who: str, inside: bool, request: pytest.FixtureRequest
    ) -> None:
        [effect] = as_(request.getfixturevalue(who)).get(f"/api/runs/{theirs}/effects").json()["results"]
        expected = {"key": "s3cret"} if inside else None
        assert (effect["name"], effect["arguments"], effect["result"]) == ("http.get", expected, expected)

    def test_what_a_run_called_is_shown_to_the_called_agents_owner(
        self, as_: Any, theirs: str, owner: User, viewer: User
    ) -> None:
        found = as_(owner).get(f"/api/runs?parent_id={theirs}").json()["results"]
        assert len(found) == 1
        assert as_(viewer).get(f"/api/runs?parent_id={theirs}").json()["results"] == []
        assert as_(viewer).get(f"/api/runs/{found[0]['_id']}").status_code == 404
        assert as_(viewer).get(f"/api/runs/{theirs}").status_code == 200

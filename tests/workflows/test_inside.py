"""What of a run is its agent's people's affair: nobody else reads its code by the ways in which it fails."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from agents.models import Deployment
from billing.models import Team, User
from tests.factories.runs import deploy
from tests.workflows.receivers import finished_run
from tickets import actions
from workflows import inside, transitions
from workflows.models import Delivery, Effect, Lease, Run, Status
from workflows.webhooks.body import body_of

KEY = "sk-in-code"
CODE = f"def handler(event):\n    log('begun')\n    print('words')\n    key = '{KEY}'; raise ValueError('no luck')"
ERROR = {"code": "code_error", "message": "no luck", "permanent": True, "line": 4, "traceback": f"key = '{KEY}'"}
TOLD = {name: value for name, value in ERROR.items() if name != "traceback"}


def open_door(owner: User, **fields: Any) -> Deployment:
    """A private agent (unless `fields` share it) behind a public deployment."""
    deployment = deploy(owner, CODE, runtime="monty", **fields)
    Deployment.objects.filter(pk=deployment.pk).update(visibility="public")
    return deployment


def failed(asker: User) -> Run:
    """The run of a ticket that somebody asked the owner's agent for, and that has failed."""
    run = actions.submit_ticket(actor=asker, target=actions.find_target(actor=asker, name="echo"), input=1).run
    held = transitions.claim_run(run.pk)
    assert held is not None
    transitions.fail_run(held, error=ERROR, stdout="words\n")
    return held


@pytest.mark.django_db(transaction=True)
class TestASyncRun:
    def test_who_may_only_run_an_agent_reads_nothing_of_its_code(self, owner: User, stranger: User, as_: Any) -> None:
        open_door(owner)
        api = as_(stranger)
        answer = api.post("/api/agents/echo/run", {"webhook_url": "https://example.org/hook"})
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["message"]) == (422, "code_error", "ValueError: no luck")
        run = Run.objects.get()
        assert KEY in str(run.error)
        ways = ("", "/events", "/why", "/effects")
        pages = ["/api/tickets", f"/api/tickets/{answer.json()['ticket_id']}", "/api/runs"]
        texts = [api.get(page).content.decode() for page in [*pages, *(f"/api/runs/{run.pk}{way}" for way in ways)]]
        texts += [answer.content.decode(), body_of(Delivery.objects.get(), run).decode()]
        assert not [text for text in texts if "traceback" in text or KEY in text or "words" in text]
        assert "no luck" in texts[0]

    def test_its_owner_is_shown_where_it_failed(self, api: APIClient, owner: User) -> None:
        open_door(owner)
        answer = api.post("/api/agents/echo/run", {"webhook_url": "https://example.org/hook"}).json()
        run = Run.objects.get()
        ticket = api.get(f"/api/tickets/{answer['ticket_id']}").json()
        shown = api.get(f"/api/runs/{run.pk}").json()
        told = json.loads(body_of(Delivery.objects.get(), run))["data"]
        for error in (answer["error"], ticket["error"], shown["error"], told["error"]):
            assert KEY in error["traceback"]
        assert (shown["stdout"], shown["error"]["line"]) == ("words\n", 4)

    def test_what_code_logs_is_for_the_asker_and_what_it_prints_is_counted(
        self, owner: User, stranger: User, as_: Any
    ) -> None:
        open_door(owner)
        as_(stranger).post("/api/agents/echo/run", {})
        events = as_(stranger).get(f"/api/runs/{Run.objects.get().pk}/events").json()["results"]
        data = {event["type"]: event["data"] for event in events}
        assert data["log"]["message"] == "begun"
        assert data["stdout"] == {"bytes": 6}
        assert "traceback" not in data["failed"]["error"]


@pytest.mark.django_db
class TestWhoSees:
    @pytest.mark.parametrize(
        ("who", "sees"), [("owner", True), ("staff", True), ("teammate", True), ("viewer", False), ("stranger", False)]
    )
    def test_the_agents_people_do(
        self, owner: User, team: Team, as_: Any, who: str, sees: bool, request: pytest.FixtureRequest
    ) -> None:
        open_door(owner, team_id=team.pk, visibility="team")
        asker = request.getfixturevalue(who)
        run, api = failed(asker), as_(asker)
        error = ERROR if sees else TOLD
        [listed], [ticket] = (api.get(f"/api/{name}").json()["results"] for name in ("runs", "tickets"))
        detail = api.get(f"/api/runs/{run.pk}").json()
        assert [shown["error"] for shown in (listed, ticket, detail)] == [error] * 3
        assert (detail["stdout"], "stdout" in listed) == ("words\n" if sees else None, False)
        assert inside.error_for_actor(run) == error

    def test_a_list_costs_one_query_more_at_most(self, owner: User, stranger: User, staff: User, as_: Any) -> None:
        open_door(owner)
        for people, queries in (((owner, staff), 2), ((stranger,), 3)):
            for _ in range(2):
                failed(stranger)
                for user in people:
                    for url in ("/api/runs", "/api/tickets"):
                        with CaptureQueriesContext(connection) as captured:
                            assert as_(user).get(url).status_code == 200
                        assert len(captured) == queries

    def test_each_run_of_a_page_is_judged_by_itself(self, owner: User, stranger: User, as_: Any) -> None:
        open_door(owner)
        theirs = failed(stranger)
        own = finished_run(stranger, Status.FAILED, error=ERROR)
        found = {run["_id"]: run["error"] for run in as_(stranger).get("/api/runs").json()["results"]}
        assert found == {theirs.pk: TOLD, own.pk: ERROR}

    def test_nothing_is_sent_to_an_asker_who_is_not_known(self, owner: User) -> None:
        assert inside.error_for_actor(Run(owner=owner, error=ERROR)) == TOLD
        assert inside.error_for_actor(Run(owner=owner, actor_id="gone", error=ERROR)) == TOLD

    @pytest.mark.parametrize("error", [None, "boom", {"code": "x"}])
    def test_an_error_of_another_shape_is_shown_as_it_is(self, owner: User, stranger: User, error: Any) -> None:
        assert inside.error_for(stranger, Run(owner=owner, error=error)) == error

    def test_a_run_without_a_document_tells_its_webhook_no_more(self, owner: User, stranger: User) -> None:
        for asker, error in ((owner, ERROR), (stranger, TOLD)):
            run = finished_run(owner, Status.FAILED, error=ERROR)
            run.actor = asker
            assert json.loads(body_of(Delivery(pk="d"), run))["data"]["error"] == error


@pytest.mark.django_db
class TestCallsAndWorkers:
    def test_a_hidden_call_shows_the_code_of_its_error_alone(self, owner: User, stranger: User, as_: Any) -> None:
        open_door(owner)
        run = failed(stranger)
        said = {"code": "no_such_host", "message": "secret-internal.example.invalid has no address"}
        for call, error in enumerate((said, None, "said")):
            Effect.objects.create(run=run, call=str(call), name="http.get", attempt=1, error=error)
        url = f"/api/runs/{run.pk}/effects"
        found = {
            user: [effect["error"] for effect in as_(user).get(url).json()["results"]] for user in (owner, stranger)
        }
        assert found == {owner: [said, None, "said"], stranger: [{"code": "no_such_host"}, None, {}]}

    def test_a_worker_is_named_to_staff_alone(self, owner: User, staff: User, as_: Any) -> None:
        run = transitions.create_run(Run(kind="code", actor=owner, owner=owner))
        url = f"/api/runs/{run.pk}"

        def holders() -> list[str]:
            return [as_(user).get(url).json()["lease"]["holder"] for user in (owner, staff)]

        assert holders() == ["", ""]
        transitions.claim_run(run.pk)
        assert holders() == ["a worker", Lease.objects.get().holder]

"""Tickets on a real worker: submitted, worked on, cancelled, retried; nothing lost."""

from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from rest_framework.test import APIClient

from billing.models import User
from tests.conftest import ended
from tests.factories.runs import deploy
from tickets.api.serializers import TicketSerializer
from tickets.models import Ticket
from workflows.models import Lease, Run

SLOW = "import time\ndef handler(event):\n    time.sleep(event['seconds'])\n    return 'slept'"


@pytest.mark.xdist_group("worker")
@pytest.mark.usefixtures("working")
class TestOnAWorker:
    @pytest.mark.parametrize("runtime", ["cpython", "monty"])
    def test_a_ticket_is_worked_on(self, api: APIClient, owner: User, runtime: str) -> None:
        deploy(owner, "def handler(event):\n    return event['n'] + 1", runtime=runtime)
        response = api.post("/api/tickets", {"agent_id": "echo", "input": {"n": 1}})
        assert (response.status_code, response.json()["status"]) == (201, "pending")
        ticket = ended(api, response.json()["_id"])
        assert (ticket["status"], ticket["result"]["output"]) == ("completed", 2)
        assert not Lease.objects.exists()

    def test_respond_async_answers_202_with_the_ticket(self, api: APIClient, owner: User) -> None:
        deploy(owner)
        response = api.post("/api/agents/echo/run", {"input": 5}, headers={"Prefer": "respond-async"})
        assert (response.status_code, response.json()["status"]) == (202, "pending")
        assert response["Location"] == f"/api/tickets/{response.json()['ticket_id']}"
        assert ended(api, response.json()["ticket_id"])["result"]["output"] == 5

    def test_past_the_wait_the_answer_is_202_and_the_run_goes_on(self, api: APIClient, owner: User) -> None:
        deploy(owner, SLOW, runtime="cpython")
        response = api.post("/api/agents/echo/run", {"input": {"seconds": 2}}, headers={"Prefer": "wait=1"})
        assert response.status_code == 202
        assert ended(api, response.json()["ticket_id"])["result"]["output"] == "slept"

    def test_within_the_wait_the_answer_of_a_worker_is_200(self, api: APIClient, owner: User) -> None:
        deploy(owner)
        response = api.post("/api/agents/echo/run", {"input": 1}, headers={"Prefer": "wait=10"})
        assert (response.status_code, response.json()["output"]) == (200, 1)

    def test_a_running_ticket_is_cancelled(self, api: APIClient, owner: User) -> None:
        deploy(owner, SLOW, runtime="cpython")
        made = api.post("/api/tickets", {"agent_id": "echo", "input": {"seconds": 25}}).json()
        while api.get(f"/api/tickets/{made['_id']}").json()["status"] == "pending":
            pass
        assert api.post(f"/api/tickets/{made['_id']}/cancel").status_code == 202
        ticket = ended(api, made["_id"], seconds=10)
        assert (ticket["status"], ticket["error"]["code"]) == ("failed", "cancelled")
        assert api.post(f"/api/tickets/{made['_id']}/cancel").status_code == 409

    def test_a_failed_ticket_is_retried_as_a_new_one(self, api: APIClient, owner: User) -> None:
        deploy(owner, "def handler(event):\n    return 1 / event")
        made = api.post("/api/tickets", {"agent_id": "echo", "input": 0}).json()
        assert ended(api, made["_id"])["error"]["code"] == "code_error"
        again = api.post(f"/api/tickets/{made['_id']}/retry")
        assert (again.status_code, again.json()["retry_of"]) == (201, made["_id"])
        assert ended(api, again.json()["_id"])["status"] == "failed"
        assert Ticket.objects.count() == 2

    def test_fifty_tickets_all_end(self, api: APIClient, owner: User) -> None:
        deploy(owner, runtime="monty")
        made = [api.post("/api/tickets", {"agent_id": "echo", "input": n}).json()["_id"] for n in range(50)]
        assert [ended(api, ticket_id)["result"]["output"] for ticket_id in made] == list(range(50))
        assert {run.attempt for run in Run.objects.all()} == {1}


@pytest.mark.django_db
class TestWithoutAWorker:
    def test_a_pending_ticket_has_no_result_yet(self, api: APIClient, owner: User) -> None:
        deploy(owner)
        made = api.post("/api/tickets", {"agent_id": "echo", "input": 1}).json()
        assert (made["status"], made["error"], "result" in made) == ("pending", None, False)

    def test_a_pending_ticket_is_cancelled_at_once(self, api: APIClient, owner: User) -> None:
        deploy(owner)
        made = api.post("/api/tickets", {"agent_id": "echo"}).json()
        cancelled = api.post(f"/api/tickets/{made['_id']}/cancel").json()
        assert (cancelled["status"], cancelled["error"]["code"]) == ("failed", "cancelled")
        assert not Lease.objects.exists()

    def test_a_retry_sends_its_result_where_its_own_asker_wants_it(
        self, api: APIClient, owner: User, stranger: User, as_: Any
    ) -> None:
        deploy(owner, visibility="public")
        body = {"agent_id": "echo", "webhook_url": "https://example.org/hook"}
        made = as_(stranger).post("/api/tickets", body).json()
        api.post(f"/api/tickets/{made['_id']}/cancel")
        assert api.post(f"/api/tickets/{made['_id']}/retry").json()["webhook_url"] == ""
        assert as_(stranger).post(f"/api/tickets/{made['_id']}/retry").json()["webhook_url"] == body["webhook_url"]

    def test_an_address_is_shown_to_whoever_asked_and_to_staff_alone(
        self, owner: User, stranger: User, staff: User, as_: Any, django_assert_num_queries: Any
    ) -> None:
        deploy(owner, visibility="public")
        url = "https://example.org/hook?secret=1"
        made = [as_(stranger).post("/api/tickets", {"agent_id": "echo", "webhook_url": url}).json() for _ in range(3)]
        assert {one["webhook_url"] for one in made} == {url}
        one = f"/api/tickets/{made[0]['_id']}"
        for user, address in ((owner, ""), (stranger, url), (staff, url)):
            with django_assert_num_queries(2):
                listed = as_(user).get("/api/tickets").json()["results"]
            assert [row["webhook_url"] for row in listed] == [address] * 3
            assert as_(user).get(one).json()["webhook_url"] == address

    def test_no_answer_shows_another_their_address(self, api: APIClient, owner: User, stranger: User, as_: Any) -> None:
        deploy(owner, visibility="public")
        url = "https://example.org/hook?secret=1"
        made = as_(stranger).post("/api/tickets", {"agent_id": "echo", "webhook_url": url}).json()
        cancelled = api.post(f"/api/tickets/{made['_id']}/cancel")
        retried = api.post(f"/api/tickets/{made['_id']}/retry")
        assert (cancelled.status_code, retried.status_code) == (202, 201)
        for answer in (cancelled, retried, *map(api.get, ("/api/tickets", "/api/runs", f"/api/runs/{made['run_id']}"))):
            assert "secret=1" not in answer.content.decode()
        assert Ticket.objects.get(pk=retried.json()["_id"]).webhook_url == ""

    def test_an_address_of_nobody_is_shown_to_nobody(self, api: APIClient, owner: User, staff: User, as_: Any) -> None:
        deploy(owner)
        made = api.post("/api/tickets", {"agent_id": "echo", "webhook_url": "https://example.org/hook"}).json()
        Run.objects.update(actor=None)
        assert api.get(f"/api/tickets/{made['_id']}").json()["webhook_url"] == ""
        assert as_(staff).get(f"/api/tickets/{made['_id']}").json()["webhook_url"] == made["webhook_url"]
        ticket, request = Ticket.objects.get(), RequestFactory().get("/")
        request.user = AnonymousUser()
        for context in ({}, {"request": request}):
            assert TicketSerializer(ticket, context=context).data["webhook_url"] == ""

    def test_an_unfinished_ticket_is_not_retried(self, api: APIClient, owner: User) -> None:
        deploy(owner)
        made = api.post("/api/tickets", {"agent_id": "echo"}).json()
        response = api.post(f"/api/tickets/{made['_id']}/retry")
        assert (response.status_code, response.json()["error"]["code"]) == (409, "not_failed")

    def test_the_same_key_makes_one_ticket(self, api: APIClient, owner: User) -> None:
        deploy(owner)
        headers = {"Idempotency-Key": "k"}
        first, again = (api.post("/api/tickets", {"agent_id": "echo"}, headers=headers) for _ in range(2))
        assert first.json() == again.json()
        assert Ticket.objects.count() == 1

    def test_a_first_request_still_under_way_is_a_conflict(self, api: APIClient, owner: User) -> None:
        deploy(owner)
        headers = {"Idempotency-Key": "k"}
        accepted = api.post("/api/agents/echo/run", {}, headers={**headers, "Prefer": "respond-async"})
        response = api.post("/api/agents/echo/run", {}, headers=headers)
        assert (response.status_code, response.json()["error"]["code"]) == (409, "in_flight")
        assert (response["Retry-After"], response.json()["error"]["ticket_id"]) == ("1", accepted.json()["ticket_id"])

    @pytest.mark.parametrize(
        ("body", "status", "code", "path"),
        [
            ({}, 400, "required", "agent_id"),
            ({"agent_id": "nobody"}, 404, "not_found", None),
            ({"agent_id": "echo", "inputs": {}}, 400, "unknown_field", "inputs"),
            ({"agent_id": "echo", "webhook_url": "ftp://x"}, 400, "invalid", "webhook_url"),
            ({"agent_id": ["echo"]}, 400, "invalid", "agent_id"),
        ],
    )
    def test_wrong_input_makes_no_ticket(
        self, api: APIClient, owner: User, body: dict[str, Any], status: int, code: str, path: str | None
    ) -> None:
        deploy(owner)
        response = api.post("/api/tickets", body)
        error = response.json()["error"]
        assert (response.status_code, error["code"], error.get("path")) == (status, code, path)
        assert not Ticket.objects.exists()

    def test_a_stranger_sees_no_ticket(self, api: APIClient, owner: User, stranger: User, as_: Any) -> None:
        deploy(owner)
        made = api.post("/api/tickets", {"agent_id": "echo"}).json()
        client = as_(stranger)
        assert client.get(f"/api/tickets/{made['_id']}").status_code == 404
        assert client.post(f"/api/tickets/{made['_id']}/cancel").status_code == 404
        assert client.get(f"/api/runs/{made['run_id']}").status_code == 404
        assert client.get(f"/api/runs/{made['run_id']}/events").status_code == 404
        assert client.get("/api/tickets").json()["results"] == []
        assert Run.objects.get().cancel_requested_at is None

    def test_a_list_costs_two_queries_and_filters(
        self, api: APIClient, owner: User, django_assert_num_queries: Any
    ) -> None:
        deploy(owner)
        made = [api.post("/api/tickets", {"agent_id": "echo", "input": n}).json()["_id"] for n in range(4)]
        api.post(f"/api/tickets/{made[0]}/cancel")
        with django_assert_num_queries(2):
            assert len(api.get("/api/tickets").json()["results"]) == 4
        assert [row["_id"] for row in api.get("/api/tickets?status=failed").json()["results"]] == made[:1]
        assert len(api.get("/api/tickets?deployment=echo&status=pending").json()["results"]) == 3

    @pytest.mark.parametrize("collection", ["runs", "tickets", "agents"])
    def test_a_filter_with_a_slip_in_its_name_is_refused(self, api: APIClient, collection: str) -> None:
        error = api.get(f"/api/{collection}?statsu=failed").json()["error"]
        assert (error["code"], error["path"]) == ("unknown_parameter", "statsu")

    def test_tickets_are_history(self, api: APIClient, owner: User) -> None:
        deploy(owner)
        made = api.post("/api/tickets", {"agent_id": "echo"}).json()
        assert api.delete(f"/api/tickets/{made['_id']}").status_code == 405
        assert api.put(f"/api/tickets/{made['_id']}", made).status_code == 405

"""Tickets on a subject, through the API: what becomes of one while another is unfinished."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import User
from tests.factories.runs import deploy
from tests.workflows.spine import claimed
from tickets.models import Ticket
from workflows import execution, leases, transitions
from workflows.models import Run, Status

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def echo(owner: User) -> None:
    deploy(owner, runtime="monty", visibility="public")


def submit(client: APIClient, **body: Any) -> Any:
    return client.post("/api/tickets", {"agent_id": "echo", "input": 1, **body})


def run_of(response: Any) -> Run:
    assert response.status_code == 201, response.json()
    return Run.objects.get(pk=response.json()["run_id"])


def test_a_busy_subject_is_refused_with_the_run_that_is_there(api: APIClient) -> None:
    first = run_of(submit(api, subject="s"))
    refused = submit(api, subject="s", if_running="reject")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["run_id"]) == (409, "busy", first.pk)
    assert Ticket.objects.count() == Run.objects.count() == 1


def test_by_default_it_waits_behind_the_other(api: APIClient) -> None:
    first, default, told = (run_of(submit(api, subject="s", **given)) for given in ({}, {}, {"if_running": "enqueue"}))
    assert (default.blocker_detail, told.blocker_detail) == (f"behind {first.pk}", f"behind {default.pk}")
    assert (default.blocker, told.blocker, leases.due(10)) == ("queued", "queued", [first.pk])


def test_interrupt_cancels_the_others(api: APIClient) -> None:
    first = submit(api, subject="s")
    new = run_of(submit(api, subject="s", if_running="interrupt"))
    ticket = api.get(first["Location"]).json()
    assert (ticket["status"], ticket["error"]["code"], leases.due(10)) == ("failed", "cancelled", [new.pk])


def test_people_do_not_meet_on_a_name(api: APIClient, stranger: User, as_: Any) -> None:
    mine = run_of(submit(api, subject="s"))
    yours = run_of(submit(as_(stranger), subject="s", if_running="reject"))
    theirs = run_of(submit(as_(stranger), subject="s", if_running="interrupt"))
    mine.refresh_from_db()
    yours.refresh_from_db()
    assert (mine.status, yours.status) == (Status.PENDING, Status.CANCELLED)
    assert leases.due(10) == [mine.pk, theirs.pk]


def test_nobody_chooses_a_name_that_is_anothers(api: APIClient, owner: User, stranger: User, as_: Any) -> None:
    mine = run_of(submit(api, subject="s"))
    run_of(submit(as_(stranger), subject=f"ticket:{owner.pk}:s", if_running="interrupt"))
    run_of(submit(as_(stranger), subject=mine.subject, if_running="interrupt"))
    mine.refresh_from_db()
    assert mine.status == Status.PENDING


@pytest.mark.parametrize("if_running", ["reject", "enqueue", "interrupt"])
def test_without_a_subject_nobody_waits(api: APIClient, if_running: str) -> None:
    runs = [run_of(submit(api, if_running=if_running)).pk for _ in range(3)]
    assert leases.due(10) == runs


@pytest.mark.parametrize("subject", ["", " ", "x" * 101, None, 5, ["s"], {"a": 1}, True])
def test_what_is_no_subject_is_named(api: APIClient, subject: Any) -> None:
    response = submit(api, subject=subject)
    assert (response.status_code, response.json()["error"].get("path")) == (400, "subject"), response.json()
    assert not Run.objects.exists()


@pytest.mark.parametrize("if_running", ["", "later", None, 5, ["reject"], "REJECT"])
def test_what_is_no_policy_is_named(api: APIClient, if_running: Any) -> None:
    response = submit(api, subject="s", if_running=if_running)
    assert (response.status_code, response.json()["error"].get("path")) == (400, "if_running"), response.json()
    assert not Run.objects.exists()


@pytest.mark.parametrize("subject", ["x" * 100, "ä/?#", "a:b:c"])
def test_any_name_of_a_hundred_characters_is_a_subject(api: APIClient, subject: str) -> None:
    run_of(submit(api, subject=subject))
    assert submit(api, subject=subject, if_running="reject").status_code == 409


def test_a_user_with_the_longest_id_has_subjects_too(as_: Any) -> None:
    user = User.objects.create(id="u" * 255, username="long")
    response = submit(as_(user), subject="x" * 100)
    assert response.status_code == 201, response.json()


def failed(run: Run) -> None:
    error = {"code": "told_to", "message": "it was told to fail", "permanent": True}
    transitions.fail_run(claimed(run), error=error)


def test_a_retry_keeps_the_subject(api: APIClient) -> None:
    first = submit(api, subject="a:b")
    failed(run_of(first))
    other = run_of(submit(api, subject="a:b"))
    again = run_of(api.post(f"{first['Location']}/retry"))
    assert (again.subject, again.blocker_detail) == (other.subject, f"behind {other.pk}")


def test_a_retry_by_somebody_else_is_on_their_own_subject(api: APIClient, staff: User, as_: Any) -> None:
    first = submit(api, subject="s")
    failed(run_of(first))
    run_of(submit(api, subject="s"))
    again = run_of(as_(staff).post(f"{first['Location']}/retry"))
    assert (again.subject, again.blocker) == (f"ticket:{staff.pk}:s", "")


def test_a_retry_of_one_without_a_subject_has_none(api: APIClient) -> None:
    first = submit(api)
    failed(run_of(first))
    assert run_of(api.post(f"{first['Location']}/retry")).subject == ""


def test_the_same_key_makes_one_ticket_however_busy_the_subject(api: APIClient) -> None:
    headers = {"Idempotency-Key": "once"}
    body = {"agent_id": "echo", "subject": "s", "if_running": "reject"}
    first, again = (api.post("/api/tickets", body, headers=headers) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json()["_id"] == again.json()["_id"]


def test_a_cancelled_ticket_lets_the_next_go_on(api: APIClient) -> None:
    first = submit(api, subject="s")
    second = run_of(submit(api, subject="s"))
    assert api.post(f"{first['Location']}/cancel").status_code == 202
    assert leases.due(10) == [second.pk]


@pytest.mark.django_db(transaction=True)
def test_tickets_on_a_subject_are_worked_on_in_their_order(api: APIClient) -> None:
    runs = [run_of(submit(api, subject="s")) for _ in range(3)]
    for _ in runs:
        execution.advance("")
    ended = Run.objects.order_by("finished_at").values_list("pk", "status")
    assert list(ended) == [(run.pk, Status.COMPLETED) for run in runs]

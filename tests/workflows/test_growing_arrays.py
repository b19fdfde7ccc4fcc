"""Messages and logs: numbered child rows, the newest in the document, all of them in pages."""

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from rest_framework.test import APIClient

from agents.models import Agent
from billing.models import User
from gofannon.lib.appending import append
from tests.factories.agents import AgentFactory
from tests.factories.workflows import WorkflowFactory, log, say
from workflows.models import Workflow, WorkflowLog, WorkflowMessage

pytestmark = pytest.mark.django_db

URL = "/api/workflows"


@pytest.fixture
def agent(owner: User) -> Agent:
    agent: Agent = AgentFactory.create(name="helper", owner=owner)
    return agent


@pytest.fixture
def workflow(owner: User, agent: Agent) -> Workflow:
    made: Workflow = WorkflowFactory.create(owner=owner, agent=agent)
    return made


@pytest.mark.parametrize("count", [1, 7])
def test_a_list_costs_four_queries(
    api: APIClient, owner: User, agent: Agent, count: int, django_assert_num_queries: Any
) -> None:
    for _ in range(count):
        workflow = WorkflowFactory.create(owner=owner, agent=agent, skill_tags=["x"])
        say(workflow, 3)
        log(workflow, 2)
    with django_assert_num_queries(4):
        results = api.get(URL).json()["results"]
    assert [[m["content"] for m in row["messages"]] for row in results] == [["1", "2", "3"]] * count


def test_a_document_shows_the_newest_hundred_and_leads_to_all(api: APIClient, workflow: Workflow) -> None:
    say(workflow, 120)
    say(workflow, 130)
    log(workflow, 101)
    read = api.get(f"{URL}/{workflow.pk}").json()
    assert [message["content"] for message in read["messages"]] == [str(n) for n in range(151, 251)]
    assert [entry["detail"]["n"] for entry in read["logs"]] == list(range(2, 102))
    assert api.get(URL).json()["results"] == [read]
    seen, url = [], read["_links"]["messages"]
    while url:
        page = api.get(url).json()
        seen += page["results"]
        url = page["next"]
    assert seen == [{"role": "user", "content": str(n), "tool_calls": None} for n in range(1, 251)]
    assert len(api.get(read["_links"]["logs"] + "?limit=200").json()["results"]) == 101


@pytest.mark.django_db(transaction=True)
def test_concurrent_appends_leave_no_gap(workflow: Workflow) -> None:
    def append_some(_: int) -> None:
        try:
            for _ in range(5):
                append(
                    Workflow(pk=workflow.pk), "messages", [WorkflowMessage(role="user"), WorkflowMessage(role="user")]
                )
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append_some, range(4)))
    assert list(workflow.messages.order_by("seq").values_list("seq", flat=True)) == list(range(1, 41))
    workflow.refresh_from_db()
    assert workflow.message_count == 40


def test_an_append_may_change_columns_of_its_document(workflow: Workflow) -> None:
    append(workflow, "logs", [WorkflowLog(event="asked")], usage_in_tok=F("usage_in_tok") + 7, status="running")
    workflow.refresh_from_db()
    assert (workflow.usage_in_tok, workflow.status, workflow.log_count) == (7, "running", 1)


def test_nothing_is_appended_to_what_was_deleted(workflow: Workflow) -> None:
    Workflow.objects.all().delete()
    with pytest.raises(Workflow.DoesNotExist):
        append(workflow, "logs", [WorkflowLog(event="late")])
    assert not WorkflowLog.objects.exists()


def test_a_page_of_messages_refuses_a_cursor_that_is_not_ours(api: APIClient, workflow: Workflow) -> None:
    say(workflow, 3)
    for edge in ("[false, 1e999, 1]", "[false, Infinity, 1]", '[false, "x", 1]', "[false, NaN, 1]", "[]", "7"):
        cursor = base64.urlsafe_b64encode(edge.encode()).decode()
        response = api.get(f"{URL}/{workflow.pk}/messages?cursor={cursor}")
        assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_cursor")


def test_an_append_bumps_no_version(workflow: Workflow) -> None:
    say(workflow, 2)
    workflow.refresh_from_db()
    assert (workflow.version, workflow.message_count) == (1, 2)

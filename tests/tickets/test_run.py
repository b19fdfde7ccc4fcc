"""Running what is deployed, sync: the answer, the ticket behind it, and every way in which code goes wrong."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import Team, User
from tests.factories.runs import deploy, make_agent
from tickets.models import Ticket
from workflows.models import Lease, Run

# Committed, because the heartbeat of a run looks at its lease through a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True)

RUNTIMES = ("cpython", "monty")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_run_answers_with_output_ticket_and_cost(api: APIClient, owner: User, runtime: str) -> None:
    deploy(owner, "def handler(event):\n    return {'twice': event['n'] * 2}", runtime=runtime)
    response = api.post("/api/agents/echo/run", {"input": {"n": 21}})
    assert response.status_code == 200, response.json()
    ticket = Ticket.objects.get()
    assert response.json() == {"ticket_id": ticket.pk, "output": {"twice": 42}, "cost": 0.0}
    assert response["Location"] == f"/api/tickets/{ticket.pk}"


@pytest.mark.parametrize(
    "code",
    [
        "def handler(event):\n    return {'got': event}",
        "async def handler(event):\n    return {'got': event}",
        "async def run(input_dict, tools):\n    return {'got': input_dict}",
    ],
)
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_all_three_entry_points_run(api: APIClient, owner: User, runtime: str, code: str) -> None:
    deploy(owner, code, runtime=runtime)
    assert api.post("/api/agents/echo/run", {"input": {"a": 1}}).json()["output"] == {"got": {"a": 1}}


def test_the_ticket_shows_request_result_and_run(api: APIClient, owner: User) -> None:
    deploy(owner)
    made = api.post("/api/agents/echo/run", {"input": {"a": 1}}).json()
    ticket = api.get(f"/api/tickets/{made['ticket_id']}").json()
    run = Run.objects.get()
    request = {"agent_id": run.agent_id, "input": {"a": 1}, "user_id": owner.pk, "deployment": "echo"}
    assert (ticket["status"], ticket["request"], ticket["error"]) == ("completed", request, None)
    assert (ticket["result"]["output"], ticket["result"]["cost"]) == ({"a": 1}, 0.0)
    assert (ticket["run_id"], run.status, run.attempt) == (run.pk, "completed", 1)
    assert not Lease.objects.exists()


def test_events_are_gapless_and_tell_the_story(api: APIClient, owner: User) -> None:
    deploy(owner, "def handler(event):\n    print('hello')\n    log('step', n=1)\n    return 1")
    made = api.post("/api/agents/echo/run", {}).json()
    run_id = api.get(f"/api/tickets/{made['ticket_id']}").json()["run_id"]
    events = api.get(f"/api/runs/{run_id}/events").json()["results"]
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert [event["type"] for event in events] == ["created", "started", "log", "stdout", "sandbox", "completed"]
    assert events[2]["data"] == {"message": "step", "fields": {"n": 1}, "call": 1}
    assert events[3]["data"] == {"bytes": 6}
    assert api.get(f"/api/runs/{run_id}").json()["stdout"] == "hello\n"


def test_rest_takes_bare_input_and_gives_bare_output(api: APIClient, owner: User) -> None:
    deploy(owner)
    for given in ({"a": 1}, [1, 2], "text", 5, None):
        response = api.post("/rest/echo", given)
        assert (response.status_code, response.json()) == (200, given if given is not None else {})


def test_null_goes_in_and_comes_out(api: APIClient, owner: User) -> None:
    deploy(owner)
    bare = api.generic("POST", "/rest/echo", "null", content_type="application/json")
    assert (bare.status_code, bare.content) == (200, b"null")
    assert api.post("/api/agents/echo/run", {"input": None}).json()["output"] is None


FAILURES = [
    ("def handler(event):\n    raise ValueError('no luck')", "code_error"),
    ("def handler(event):\n    return {1, 2}", "not_json"),
    ("def handler(event):\n    return float('nan')", "not_finite"),
    ("def handler(event):\n    return 'x' * 2_000_000", "output_too_large"),
    ("def handler(event):\n    while True:\n        print('x' * 1000)", "stdout_too_large"),
    ("def handler(event):\n    while True:\n        pass", "time_limit"),
    ("def handler(event):\n    x = [0]\n    while True:\n        x = x + x", "memory_limit"),
]


@pytest.mark.parametrize(("code", "error"), FAILURES, ids=[error for _, error in FAILURES])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_each_way_to_fail_has_its_code(api: APIClient, owner: User, runtime: str, code: str, error: str) -> None:
    # Generous where something else is to end it, for a machine under load.
    deploy(owner, code, runtime=runtime, limits={"wall_seconds": 1 if error == "time_limit" else 20, "cpu_seconds": 30})
    deploy(owner, name="next", runtime=runtime)
    response = api.post("/api/agents/echo/run", {})
    assert (response.status_code, response.json()["error"]["code"]) == (422, error)
    ticket = api.get(f"/api/tickets/{response.json()['ticket_id']}").json()
    assert (ticket["status"], ticket["error"]["code"], "result" in ticket) == ("failed", error, False)
    assert api.post("/api/agents/next/run", {"input": 7}).json()["output"] == 7


@pytest.mark.parametrize(
    "code", ["import os\ndef handler(e):\n    os._exit(0)", "import sys\ndef handler(e):\n    sys.exit()"]
)
def test_code_that_ends_itself_is_named(api: APIClient, owner: User, code: str) -> None:
    deploy(owner, code, runtime="cpython")
    assert api.post("/api/agents/echo/run", {}).json()["error"]["code"] == "code_exited"


def test_a_traceback_points_at_the_agents_own_lines(api: APIClient, owner: User) -> None:
    deploy(owner, "def inner():\n    return 1 / 0\n\ndef handler(event):\n    return inner()", runtime="cpython")
    error = api.post("/api/agents/echo/run", {}).json()["error"]
    assert error["line"] == 2
    assert "line 5, in handler" in error["traceback"]
    assert "line 2, in inner" in error["traceback"]
    assert "sandbox" not in error["traceback"]


@pytest.mark.parametrize(("code", "error"), [("def handler(:", "syntax_error"), ("x = 1", "no_handler")])
def test_a_draft_that_cannot_run_fails_its_ticket_and_is_not_deployed(
    api: APIClient, owner: User, code: str, error: str
) -> None:
    agent = make_agent(owner, code)
    response = api.post(f"/api/agents/{agent.pk}/run", {})
    assert (response.status_code, response.json()["error"]["code"]) == (422, error)
    refused = api.post(f"/api/agents/{agent.pk}/deploy", {})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, error)


def test_input_is_checked_before_anything_is_stored(api: APIClient, owner: User) -> None:
    deploy(owner, input_schema={"query": "string", "max_results": "integer"})
    response = api.post("/api/agents/echo/run", {"input": {"query": "x", "max_results": "many"}})
    error = response.json()["error"]
    assert (response.status_code, error["code"], error["path"]) == (400, "schema_mismatch", "input.max_results")
    missing = api.post("/api/agents/echo/run", {"input": {"max_results": 1}}).json()["error"]
    assert (missing["code"], missing["path"]) == ("schema_mismatch", "input.query")
    assert not Run.objects.exists()


def test_output_is_checked_and_fails_the_run_with_its_path(api: APIClient, owner: User) -> None:
    schema = {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "integer"}}}}
    deploy(owner, "def handler(event):\n    return {'items': [1, 'two']}", output_schema=schema)
    error = api.post("/api/agents/echo/run", {}).json()["error"]
    assert (error["code"], error["path"]) == ("schema_mismatch", "output.items[1]")


def test_code_that_logs_without_end_is_told(api: APIClient, owner: User) -> None:
    deploy(owner, "def handler(event):\n    while True:\n        log('x' * 60_000)", runtime="cpython")
    error = api.post("/api/agents/echo/run", {}).json()["error"]
    assert (error["code"], "log_limit" in error["message"]) == ("code_error", True)


@pytest.mark.parametrize("name", ["%00", "a%00b", "x" * 300])
def test_a_name_that_cannot_be_is_not_found(api: APIClient, name: str) -> None:
    for url in (f"/api/agents/{name}/run", f"/rest/{name}"):
        assert api.post(url, {}).status_code == 404


def test_a_name_resolves_through_deployments_only(api: APIClient, owner: User) -> None:
    make_agent(owner, name="not-deployed", friendly_name="not-deployed")
    assert api.post("/api/agents/not-deployed/run", {}).status_code == 404


def test_who_may_run(
    owner: User, team: Team, teammate: User, viewer: User, stranger: User, staff: User, as_: Any
) -> None:
    private = deploy(owner, name="private")
    deploy(owner, name="shared", team_id=team.pk, visibility="team")
    deploy(owner, name="open", visibility="public")
    names = ("private", "shared", "open", private.agent_id)
    people = {"teammate": teammate, "viewer": viewer, "stranger": stranger, "staff": staff, "nobody": None}
    found = {
        who: tuple(as_(user).post(f"/api/agents/{name}/run", {}).status_code for name in names)
        for who, user in people.items()
    }
    assert found == {
        "teammate": (404, 200, 200, 404),
        "viewer": (404, 200, 200, 404),
        "stranger": (404, 404, 200, 404),
        "staff": (200, 200, 200, 200),
        "nobody": (401, 401, 401, 401),
    }


def test_a_readers_run_of_a_draft_is_refused(owner: User, stranger: User, as_: Any) -> None:
    agent = make_agent(owner, visibility="public")
    response = as_(stranger).post(f"/api/agents/{agent.pk}/run", {})
    assert (response.status_code, response.json()["error"]["code"]) == (403, "permission_denied")


def test_a_prompt_agent_without_a_provider_is_refused(api: APIClient, owner: User) -> None:
    agent = make_agent(owner, code="", system_prompt="be brief")
    response = api.post(f"/api/agents/{agent.pk}/run", {"input": {"prompt": "hi"}})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "no_provider")
    assert not Run.objects.exists()


def test_the_same_key_runs_once(api: APIClient, owner: User) -> None:
    deploy(owner, "import random\ndef handler(event):\n    return random.random()")
    headers = {"Idempotency-Key": "once"}
    first = api.post("/api/agents/echo/run", {}, headers=headers)
    again = api.post("/api/agents/echo/run", {}, headers=headers)
    assert first.json() == again.json()
    assert Run.objects.count() == 1
    assert api.post("/api/agents/echo/run", {"input": 1}, headers=headers).status_code == 422


def test_a_sync_run_asks_the_database_little(api: APIClient, owner: User, django_assert_num_queries: Any) -> None:
    deploy(owner)
    api.post("/api/agents/echo/run", {})
    with django_assert_num_queries(12):
        api.post("/api/agents/echo/run", {})


def test_a_hundred_megabytes_are_too_large_too(api: APIClient, owner: User) -> None:
    deploy(owner, "def handler(event):\n    return 'x' * 100_000_000", runtime="cpython")
    assert api.post("/api/agents/echo/run", {}).json()["error"]["code"] == "output_too_large"


def test_a_line_of_the_log_has_an_end(api: APIClient, owner: User) -> None:
    deploy(owner, "def handler(event):\n    log('x' * 70_000)", runtime="monty")
    error = api.post("/api/agents/echo/run", {}).json()["error"]
    assert "too_large: a log line has at most 65536 bytes" in error["message"]

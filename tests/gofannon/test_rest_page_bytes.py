"""Pages of rows that may be large end at a number of bytes as well as of rows."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from billing.models import User
from gofannon.lib.appending import append
from gofannon.lib.rest import pagination
from tests.factories.runs import deploy
from tests.factories.workflows import SessionFactory, TaskExecutionFactory, WorkflowFactory
from tickets import actions
from workflows.models import Approval, Effect, Event, Run, SessionMessage, WorkflowLog, WorkflowMessage

pytestmark = pytest.mark.django_db

FAR = datetime(2099, 1, 1, tzinfo=UTC)
LIMIT = 1000
# In bytes, as JSON: as many rows make a page as fit, and one that fits nowhere stands alone.
SIZES = (300, 300, 500, 100, 2000, 2000, 10, 900, 10)
OLDEST_FIRST, NEWEST_FIRST = [2, 2, 1, 1, 3], [3, 1, 1, 3, 1]


def text(size: int) -> str:
    """A text that is `size` bytes of JSON."""
    return "x" * (size - 2)


def runs(owner: User) -> str:
    for size in SIZES:
        Run.objects.create(kind="code", owner=owner, input=text(size // 2), output=text(size - size // 2))
    return "/api/runs"


def failed_runs(owner: User) -> str:
    for size in SIZES:
        Run.objects.create(kind="code", owner=owner, error=text(size))
    return "/api/runs"


def tickets(owner: User) -> str:
    deploy(owner)
    target = actions.find_target(actor=owner, name="echo")
    for size in SIZES:
        run = actions.submit_ticket(actor=owner, target=target, input=text(size // 2)).run
        Run.objects.filter(pk=run.pk).update(output=text(size - size // 2))
    return "/api/tickets"


def effects(owner: User) -> str:
    run = Run.objects.create(kind="code", owner=owner)
    for size in SIZES:
        call = {"call": str(Effect.objects.count()), "name": "a", "attempt": 1}
        Effect.objects.create(run=run, arguments=text(size // 2), result=text(size - size // 2), **call)
    return f"/api/runs/{run.pk}/effects"


def events(owner: User) -> str:
    run = Run.objects.create(kind="code", owner=owner)
    for seq, size in enumerate(SIZES, start=1):
        Event.objects.create(run=run, seq=seq, type="log", data=text(size))
    return f"/api/runs/{run.pk}/events"


def approvals(owner: User) -> str:
    run = Run.objects.create(kind="code", owner=owner)
    for size in SIZES:
        call = {"call": str(Effect.objects.count()), "name": "a", "attempt": 1}
        effect = Effect.objects.create(run=run, arguments=text(size), **call)
        Approval.objects.create(effect=effect, reason="required", expires_at=FAR)
    return "/api/approvals"


def approvals_of_a_run(owner: User) -> str:
    approvals(owner)
    return f"/api/runs/{Run.objects.get().pk}/approvals"


def messages_of_a_session(owner: User) -> str:
    session = SessionFactory.create(user=owner)
    append(session, "messages", [SessionMessage(role="user", content=text(size)) for size in SIZES])
    return f"/api/sessions/{session.pk}/messages"


def messages_of_a_workflow(owner: User) -> str:
    workflow = WorkflowFactory.create(owner=owner)
    rows = [{"content": text(size // 2), "tool_calls": text(size - size // 2)} for size in SIZES]
    append(workflow, "messages", [WorkflowMessage(role="user", **row) for row in rows])
    return f"/api/workflows/{workflow.pk}/messages"


def logs_of_a_workflow(owner: User) -> str:
    workflow = WorkflowFactory.create(owner=owner)
    append(workflow, "logs", [WorkflowLog(event="tick", detail=text(size)) for size in SIZES])
    return f"/api/workflows/{workflow.pk}/logs"


def executions(owner: User) -> str:
    workflow = WorkflowFactory.create(owner=owner)
    for size in SIZES:
        TaskExecutionFactory.create(workflow=workflow, response=text(size))
    return "/api/task-executions"


def executions_of_a_workflow(owner: User) -> str:
    workflow = WorkflowFactory.create(owner=owner)
    for size in SIZES:
        TaskExecutionFactory.create(workflow=workflow, response=text(size))
    return f"/api/workflows/{workflow.pk}/executions"


Make = Callable[[User], str]
LISTS: list[tuple[Make, list[int]]] = [
    (runs, NEWEST_FIRST),
    (failed_runs, NEWEST_FIRST),
    (tickets, NEWEST_FIRST),
    (effects, OLDEST_FIRST),
    (events, OLDEST_FIRST),
    (approvals, NEWEST_FIRST),
    (approvals_of_a_run, OLDEST_FIRST),
    (messages_of_a_session, OLDEST_FIRST),
    (messages_of_a_workflow, OLDEST_FIRST),
    (logs_of_a_workflow, OLDEST_FIRST),
    (executions, NEWEST_FIRST),
    (executions_of_a_workflow, NEWEST_FIRST),
]


def walk(api: APIClient, url: str | None, link: str) -> tuple[list[list[Any]], dict[str, Any]]:
    """The pages from `url` on, and the last of them as it came."""
    pages, page = [], {}
    while url:
        page = api.get(url).json()
        pages.append(page["results"])
        url = page[link]
    return pages, page


@pytest.mark.parametrize(("make", "expected"), LISTS, ids=[make.__name__ for make, _ in LISTS])
def test_a_page_ends_where_its_bytes_are_used_up(
    api: APIClient, owner: User, make: Make, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make(owner)
    whole = api.get(f"{url}?limit=200").json()["results"]
    monkeypatch.setattr(pagination, "MAX_PAGE_BYTES", LIMIT)
    pages, _ = walk(api, f"{url}?limit=200", "next")
    assert [row for page in pages for row in page] == whole
    assert [len(page) for page in pages] == expected


@pytest.mark.parametrize(("ordering", "expected"), [("created_at", [1, 1, 3, 1]), ("-created_at", [3, 1, 1, 3])])
def test_pages_end_in_both_directions(
    api: APIClient, owner: User, ordering: str, expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{runs(owner)}?limit=200&ordering={ordering}"
    whole = api.get(url).json()["results"]
    monkeypatch.setattr(pagination, "MAX_PAGE_BYTES", LIMIT)
    _, last = walk(api, url, "next")
    back, _ = walk(api, last["previous"], "previous")
    assert [row for page in back[::-1] for row in page] == whole[: -len(last["results"])]
    assert [len(page) for page in back] == expected


def test_a_page_has_no_more_rows_than_it_was_asked_for(api: APIClient, owner: User) -> None:
    pages, _ = walk(api, f"{runs(owner)}?limit=4", "next")
    assert [len(page) for page in pages] == [4, 4, 1]


def test_bytes_are_counted_and_not_characters(api: APIClient, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    TaskExecutionFactory.create_batch(2, workflow__owner=owner, prompt="\u20ac" * 200)
    monkeypatch.setattr(pagination, "MAX_PAGE_BYTES", LIMIT)
    pages, _ = walk(api, "/api/task-executions", "next")
    assert [len(page) for page in pages] == [1, 1]


def test_columns_that_are_not_shown_do_not_count(
    api: APIClient, as_: Any, owner: User, stranger: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = effects(owner)
    Run.objects.update(actor=stranger)
    monkeypatch.setattr(pagination, "MAX_PAGE_BYTES", LIMIT)
    assert len(as_(stranger).get(url).json()["results"]) == len(SIZES)
    assert len(api.get(url).json()["results"]) < len(SIZES)


def test_an_empty_list_is_a_page(api: APIClient) -> None:
    assert api.get("/api/runs").json() == {"next": None, "previous": None, "results": []}

from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from billing import documents
from billing.models import Team, User
from tests.factories.workflows import TaskExecutionFactory, WorkflowFactory
from workflows.api.task_executions import TaskExecutionSerializer
from workflows.models import TaskExecution, Workflow

pytestmark = pytest.mark.django_db

URL = "/api/task-executions"


@pytest.fixture
def workflow(owner: User, team: Team) -> Workflow:
    made: Workflow = WorkflowFactory.create(owner=owner, team=team, visibility="team")
    return made


@pytest.fixture
def execution(workflow: Workflow) -> TaskExecution:
    fields = {"prompt": "go", "model": "scripted/echo", "worker": "w1", "attempts": 1, "response": {"answer": 42}}
    made: TaskExecution = TaskExecutionFactory.create(workflow=workflow, usage_in_tok=7, **fields)
    return made


def test_an_execution_shows_what_the_prompt_came_to(
    api: APIClient, execution: TaskExecution, workflow: Workflow
) -> None:
    read = api.get(f"{URL}/{execution.pk}").json()
    assert execution.pk.startswith("execution_")
    assert {**read, "created_at": "", "updated_at": ""} == {
        "_id": execution.pk,
        "workflow_id": workflow.pk,
        "run_id": None,
        "status": "pending",
        "error": None,
        "prompt": "go",
        "model": "scripted/echo",
        "worker": "w1",
        "attempts": 1,
        "usage": {"premium_req": 0, "in_tok": 7, "out_tok": 0, "cache_read": 0, "cache_write": 0, "cost": 0},
        "response": {"answer": 42},
        "created_at": "",
        "updated_at": "",
        "completed_at": None,
    }
    assert api.get(URL).json()["results"] == [read]
    assert api.get(f"/api/workflows/{workflow.pk}/executions").json()["results"] == [read]


def test_an_execution_is_read_only(api: APIClient, execution: TaskExecution, staff: User, as_: Any) -> None:
    for client in (api, as_(staff)):
        assert client.post(URL, {"workflow_id": execution.workflow_id}).status_code == 405
        for method in (client.put, client.patch, client.delete):
            assert method(f"{URL}/{execution.pk}", {"status": "failed"}).status_code == 405
    assert TaskExecution.objects.get().status == "pending"


def test_who_sees_the_workflow_sees_its_executions(
    execution: TaskExecution, viewer: User, staff: User, stranger: User, as_: Any
) -> None:
    url = f"{URL}/{execution.pk}"
    assert [as_(user).get(url).status_code for user in (viewer, staff, stranger, None)] == [200, 200, 404, 401]
    assert as_(stranger).get(URL).json()["results"] == []


@pytest.mark.parametrize("count", [1, 7])
def test_a_list_costs_two_queries(
    api: APIClient, workflow: Workflow, count: int, django_assert_num_queries: Any
) -> None:
    TaskExecutionFactory.create_batch(count, workflow=workflow)
    with django_assert_num_queries(2):
        assert len(api.get(URL).json()["results"]) == count


def test_a_workflows_executions_come_in_pages_newest_first(api: APIClient, workflow: Workflow) -> None:
    made = [TaskExecutionFactory.create(workflow=workflow).pk for _ in range(5)]
    TaskExecutionFactory.create()
    seen, url = [], f"/api/workflows/{workflow.pk}/executions?limit=2"
    while url:
        page = api.get(url).json()
        seen += [row["_id"] for row in page["results"]]
        url = page["next"]
    assert seen == made[::-1]


def test_filters_keep_what_they_say(api: APIClient, execution: TaskExecution, owner: User) -> None:
    other = TaskExecutionFactory.create(workflow=WorkflowFactory.create(owner=owner), status="failed", error="broke")

    def found(query: str) -> list[str]:
        return [row["_id"] for row in api.get(f"{URL}?{query}").json()["results"]]

    assert found(f"workflow_id={execution.workflow_id}") == [execution.pk]
    assert found("status=failed") == [other.pk]
    assert found("ordering=created_at") == [execution.pk, other.pk]


def test_an_execution_goes_with_its_workflow(api: APIClient, execution: TaskExecution) -> None:
    assert api.delete(f"/api/workflows/{execution.workflow_id}").status_code == 204
    assert not TaskExecution.objects.exists()


EXAMPLE = {
    "_id": "exec-1",
    "workflow_id": "wf-1",
    "status": "failed",
    "error": "the model did not answer",
    "created_at": "2024-01-15T10:30:00Z",
    "completed_at": "2024-01-15T10:35:00.250000Z",
}


@pytest.mark.parametrize("run_id", [{}, {"run_id": "somebody-elses"}])
def test_an_import_reads_back_equal_and_is_tied_to_no_run(staff: User, as_: Any, run_id: dict[str, str]) -> None:
    serializer = TaskExecutionSerializer(data={**EXAMPLE, **run_id}, context={"importing": True})
    serializer.is_valid(raise_exception=True)
    done = documents.import_document(actor=staff, model=TaskExecution, values=serializer.validated_data)
    assert done.dangling == [{"path": "workflow_id", "id": "wf-1"}]
    read = as_(staff).get(f"{URL}/exec-1").json()
    assert {name: read[name] for name in EXAMPLE} == EXAMPLE
    assert read["run_id"] is None


def test_the_admin_shows_executions_and_changes_none(client: Client, staff: User, execution: TaskExecution) -> None:
    client.force_login(staff)
    page = "/admin/workflows/taskexecution/"
    assert execution.pk.encode() in client.get(page).content
    assert client.get(f"{page}{execution.pk}/change/").status_code == 200
    assert client.post(f"{page}{execution.pk}/change/", {"status": "failed"}).status_code == 403
    assert client.get(f"{page}add/").status_code == 403

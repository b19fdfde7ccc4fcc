"""The operators' admin: every entity has its list, its page and, where it may be made there, its form."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from agents.models import Agent
from billing.models import User
from gofannon import importing
from tests.factories.runs import deploy, make_agent
from tests.test_contract import EXAMPLES

pytestmark = pytest.mark.django_db

OURS = ("billing", "agents", "workflows", "tickets", "demos")
MODELS = [model for model in admin.site._registry if model._meta.app_label in OURS]
ENTITIES = {
    *("Agent", "Deployment", "User", "Session", "Ticket", "Demo", "McpServer", "Skill", "Workflow", "KnowledgeSource"),
    *("KnowledgeItem", "Guardrail", "Provider", "Token", "TaskExecution", "Run", "Lease", "Event", "Effect", "Team"),
    *("AccessKey", "UsageEntry"),
}


@pytest.fixture
def operator(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client


@pytest.fixture
def populated(staff: User, as_: Any) -> None:
    """The texts' own documents, whose references lead nowhere, and a run."""
    for collection, example in EXAMPLES.items():
        importing.import_document(actor=staff, collection=collection, document=example)
    deploy(staff)
    as_(staff).post("/api/agents/echo/run", {})


def url_of(model: type[Model], view: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}", args=args)


def test_every_entity_is_in_the_admin() -> None:
    assert {model.__name__ for model in MODELS} >= ENTITIES


@pytest.mark.usefixtures("populated")
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_lists_searches_and_pages_open(operator: Client, model: type[Model]) -> None:
    rows = model._default_manager.all()
    page = operator.get(url_of(model, "changelist"))
    assert page.status_code == 200
    assert page.context["cl"].result_count == rows.count()
    assert operator.get(url_of(model, "changelist"), {"q": "nothing like it"}).status_code == 200
    for row in rows[:3]:
        assert operator.get(url_of(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_forms_open_where_something_may_be_added(operator: Client, model: type[Model]) -> None:
    page = operator.get(url_of(model, "add"))
    adding = admin.site._registry[model].has_add_permission(page.wsgi_request)
    assert page.status_code == (200 if adding else 403)


def test_a_list_costs_the_same_at_any_length(operator: Client, staff: User) -> None:
    counts = []
    for number in range(2):
        for extra in range(1 + 9 * number):
            make_agent(staff, name=f"agent {number} {extra}")
        with CaptureQueriesContext(connection) as queries:
            operator.get(url_of(Agent, "changelist"))
        counts.append(len(queries))
    assert counts[0] == counts[1]


def form_of(page: Any) -> dict[str, Any]:
    """What the page's form would send unchanged."""
    form = page.context["adminform"].form
    values = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    shown = {name: form.fields[name].prepare_value(value) for name, value in values.items()}
    return {name: value for name, value in shown.items() if value is not None}


def test_a_saved_agent_went_through_the_same_action_as_the_apis(operator: Client, staff: User) -> None:
    url = url_of(Agent, "add")
    sent = {**form_of(operator.get(url)), "name": "made here", "owner": staff.pk, "code": "def handler(e): return 1"}
    sent |= {"mcp_server_tags": "a\nb", "friendly_name": "Not A Name"}
    refused = operator.post(url, sent)
    assert refused.status_code == 200
    assert "friendly_name" in refused.context["adminform"].form.errors
    assert not Agent.objects.exists()
    assert operator.post(url, {**sent, "friendly_name": "a-name"}).status_code == 302
    agent = Agent.objects.get()
    assert (agent.name, agent.listed("mcp_server_tags"), agent.version) == ("made here", ["a", "b"], 1)


def test_a_lost_race_is_told_and_changes_nothing(operator: Client, staff: User, as_: Any) -> None:
    agent = make_agent(staff)
    url = url_of(Agent, "change", agent.pk)
    sent = form_of(operator.get(url))
    as_(staff).patch(f"/api/agents/{agent.pk}", {"description": "first"})
    page = operator.post(url, {**sent, "description": "second"})
    assert page.status_code == 200
    assert "has changed since it was read" in page.content.decode()
    assert Agent.objects.get().description == "first"


def test_what_is_in_use_is_not_deleted_here_either(operator: Client, staff: User) -> None:
    agent = deploy(staff).agent
    operator.post(url_of(Agent, "delete", agent.pk), {"post": "yes"})
    assert Agent.objects.filter(pk=agent.pk).exists()


def test_a_stranger_is_sent_to_the_login(stranger: User) -> None:
    client = Client()
    client.force_login(stranger)
    assert client.get(url_of(Agent, "changelist")).status_code == 302

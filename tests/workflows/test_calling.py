"""`call_agent`: what is called is a run of its own, with the rights of the caller's owner, on the caller's payer."""

from collections.abc import Iterator
from typing import Any

import pytest

from agents import actions as agent_actions
from agents import tools
from agents.models import Agent
from billing.models import User
from gofannon.lib.clock import DatabaseNow
from tests.factories.effects import TOOLS, Killed, PureTool, UnsafeTool
from tests.factories.runs import deploy, make_agent
from tickets import actions
from tickets.models import Ticket
from workflows import approvals, execution, leases, transitions
from workflows.calling import costs_of
from workflows.models import Approval, Effect, Lease, Run

pytestmark = pytest.mark.django_db(transaction=True)

DOUBLE = "def handler(event):\n    return event['n'] * 2\n"
CALLER = """
def handler(event):
    try:
        return call_agent(event["name"], event.get("input"))
    except Exception as error:
        return str(error)
"""
TOOL = "def handler(event):\n    return tools.test.{name}(a=1)\n"


@pytest.fixture(autouse=True)
def tools_for_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, tool in TOOLS.items():
        monkeypatch.setitem(tools.TOOLS, name, f"{tool.__module__}.{tool.__qualname__}")
    yield
    for tool in TOOLS.values():
        tool.calls.clear()
        tool.plan.clear()


def make_caller(owner: User, *callees: Agent, code: str = CALLER, **fields: Any) -> Agent:
    listed = [callee.pk for callee in callees]
    deployment = deploy(owner, code, name="caller", runtime="monty", gofannon_agents=listed, **fields)
    agent: Agent = deployment.agent
    return agent


def submit(actor: User, value: Any, name: str = "caller") -> Ticket:
    return actions.submit_ticket(actor=actor, target=actions.find_target(actor=actor, name=name), input=value)


def go_on() -> None:
    """Works on whatever is due, one after the other, as workers would."""
    for _ in range(20):
        due = leases.due(1)
        if not due:
            return
        execution.advance(due[0])


def call(actor: User, value: Any) -> Any:
    ticket = submit(actor, value)
    go_on()
    return Run.objects.get(pk=ticket.run_id)


@pytest.fixture
def double(owner: User) -> Agent:
    agent: Agent = deploy(owner, DOUBLE, name="double", runtime="monty", input_schema={"n": "integer"}).agent
    return agent


class TestRights:
    def test_a_called_agent_answers(self, owner: User, double: Agent) -> None:
        make_caller(owner, double)
        run = call(owner, {"name": "double", "input": {"n": 21}})
        child = Run.objects.get(parent=run)
        assert (run.status, run.output) == ("completed", 42)
        assert (child.output, child.depth, child.agent_id, child.deployment_id) == (42, 1, double.pk, "double")
        assert Effect.objects.values_list("name", "status", "child").get() == ("call_agent", "succeeded", child.pk)

    def test_an_agents_id_is_its_draft(self, owner: User, double: Agent) -> None:
        make_caller(owner, double)
        assert call(owner, {"name": double.pk, "input": {"n": 4}}).output == 8

    def test_only_agents_on_the_list_are_called(self, owner: User, double: Agent) -> None:
        make_caller(owner)
        run = call(owner, {"name": "double", "input": {"n": 1}})
        assert run.output == "not_found: 'double' is not among the gofannon_agents of 'caller'"
        assert Run.objects.count() == 1

    def test_bob_runs_alices_deployment_which_calls_alices_private_agent(
        self, owner: User, stranger: User, double: Agent
    ) -> None:
        agent = make_caller(owner, double)
        agent.deployments.update(visibility="public")
        run = call(stranger, {"name": "double", "input": {"n": 3}})
        child = Run.objects.get(parent=run)
        assert run.output == 6
        assert (child.actor_id, child.owner_id, child.payer_id) == (stranger.pk, owner.pk, stranger.pk)

    def test_a_strangers_private_agent_is_not_there(self, owner: User, stranger: User) -> None:
        theirs = deploy(stranger, DOUBLE, name="theirs", runtime="monty").agent
        agent = make_agent(owner, CALLER, name="caller", runtime="monty")
        agent.write_lists({"gofannon_agents": [theirs.pk]})  # listed as long as it was public, say
        agent_actions.deploy_agent(actor=owner, agent=agent, name="caller")
        assert call(owner, {"name": "theirs", "input": {"n": 1}}).output.startswith("not_found")


class TestErrors:
    def test_wrong_input_is_told_with_its_path(self, owner: User, double: Agent) -> None:
        make_caller(owner, double)
        output = call(owner, {"name": "double", "input": {"n": "x"}}).output
        assert output.startswith("schema_mismatch: input.n:")

    def test_the_called_runs_failure_is_told_by_its_code(self, owner: User) -> None:
        broken = deploy(owner, "def handler(event):\n    return 1 / 0\n", name="broken", runtime="monty").agent
        make_caller(owner, broken)
        assert call(owner, {"name": "broken"}).output.startswith("agent_failed: broken: code_error: ZeroDivisionError")

    def test_agents_call_each_other_so_deep_and_no_deeper(self, owner: User, settings: Any) -> None:
        settings.CALL_DEPTH = 2
        code = "def handler(event):\n    return call_agent('caller', event)\n"
        agent = make_agent(owner, code, name="caller", runtime="monty")
        # An agent that calls itself is refused at save; so may chains be that pass through a later edit.
        agent.write_lists({"gofannon_agents": [agent.pk]})
        agent_actions.deploy_agent(actor=owner, agent=agent, name="caller")
        run = call(owner, {})
        assert "agents call each other at most 2 deep" in run.error["message"]
        assert Run.objects.count() == 3

    def test_a_run_calls_so_many_agents_and_no_more(self, owner: User, double: Agent, settings: Any) -> None:
        settings.CALL_FANOUT = 3
        code = "def handler(event):\n    return [call_agent('double', {'n': n}) for n in range(5)]\n"
        make_caller(owner, double, code=code)
        run = call(owner, {})
        assert "too_many_calls: a run calls at most 3 agents" in run.error["message"]
        assert Run.objects.filter(parent=run).count() == 3

    def test_calls_made_at_once_are_counted_too(self, owner: User, double: Agent, settings: Any) -> None:
        settings.CALL_FANOUT = 2
        code = """
import asyncio
async def one(n):
    try:
        return await call_agent("double", {"n": n})
    except Exception as error:
        return str(error)[:14]
async def handler(event):
    return await asyncio.gather(*[one(n) for n in range(8)])
"""
        make_caller(owner, double, code=code)
        run = call(owner, {})
        assert (run.output.count("too_many_calls"), Run.objects.filter(parent=run).count()) == (6, 2)

    def test_what_began_it_all_bounds_the_whole_tree(self, owner: User, settings: Any) -> None:
        settings.CALL_TOTAL = 4
        code = "def handler(event):\n    return [call_agent('caller', event) for _ in range(2)]\n"
        agent = make_agent(owner, code, name="caller", runtime="monty")
        agent.write_lists({"gofannon_agents": [agent.pk]})
        agent_actions.deploy_agent(actor=owner, agent=agent, name="caller")
        run = call(owner, {})
        assert (Run.objects.count(), run.called) == (5, 4)
        assert set(Run.objects.exclude(pk=run.pk).values_list("root_id", flat=True)) == {run.pk}

    def test_a_user_at_the_limit_calls_one_after_the_other(self, owner: User, double: Agent, settings: Any) -> None:
        settings.RUNS_PER_USER = 1
        make_caller(owner, double)
        assert call(owner, {"name": "double", "input": {"n": 5}}).output == 10


class TestRecovery:
    def make_pair(self, owner: User, tool: str) -> None:
        callee = deploy(owner, TOOL.format(name=tool), name="callee", runtime="monty", tools={"test": [tool]}).agent
        make_caller(owner, callee)

    def test_a_caller_that_is_resumed_starts_no_second_run(self, owner: User) -> None:
        self.make_pair(owner, "pure")
        PureTool.plan.append("killed after")
        ticket = submit(owner, {"name": "callee"})
        with pytest.raises(Killed):
            execution.advance(ticket.run_id)
        assert Run.objects.filter(status="running").count() == 2
        Lease.objects.update(due_at=DatabaseNow(-1))
        go_on()
        run = Run.objects.get(pk=ticket.run_id)
        assert (run.status, run.output) == ("completed", {"n": 2})
        assert Run.objects.get(parent=run).attempt == 2

    def test_a_caller_waits_for_the_run_it_called_and_is_woken_by_its_end(self, owner: User) -> None:
        self.make_pair(owner, "unsafe")
        UnsafeTool.plan.append("killed after")
        ticket = submit(owner, {"name": "callee"})
        with pytest.raises(Killed):
            execution.advance(ticket.run_id)
        Lease.objects.update(due_at=DatabaseNow(-1))
        go_on()
        parent, child = Run.objects.get(pk=ticket.run_id), Run.objects.get(parent=ticket.run_id)
        assert (parent.blocker, child.blocker) == ("child", "approval")
        approvals.decide_approval(actor=owner, approval=Approval.objects.get(), decision="accept", result="seen")
        go_on()
        parent.refresh_from_db()
        assert (parent.status, parent.output, len(UnsafeTool.calls)) == ("completed", "seen", 1)

    def test_what_a_cancelled_run_called_is_cancelled_too(self, owner: User) -> None:
        self.make_pair(owner, "unsafe")
        UnsafeTool.plan.append("killed after")
        ticket = submit(owner, {"name": "callee"})
        with pytest.raises(Killed):
            execution.advance(ticket.run_id)
        Lease.objects.update(due_at=DatabaseNow(-1))
        go_on()
        transitions.request_cancel(Run.objects.get(pk=ticket.run_id))
        assert set(Run.objects.values_list("status", flat=True)) == {"cancelled"}
        assert not Lease.objects.exists()

    def test_what_it_called_is_part_of_what_it_cost(self, owner: User, double: Agent) -> None:
        make_caller(owner, double)
        ticket = submit(owner, {"name": "double", "input": {"n": 1}})
        held = transitions.claim_run(ticket.run_id)
        assert held is not None
        transitions.append_events(held, [], **costs_of(Run(cost_nano=70)))
        transitions.complete_run(held, output=1, cost_nano=5)
        assert Run.objects.get(pk=ticket.run_id).cost_nano == 75

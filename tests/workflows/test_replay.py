"""A code agent that was killed half-way runs again: what it has done is answered from the ledger, in the same order."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from agents import tools
from billing.models import User
from tests.factories.effects import TOOLS, KeyedTool, PureTool, UnsafeTool, advance, killed
from tests.factories.runs import deploy
from tests.http_server import Reply, http_server
from tickets import actions
from workflows import approvals, effects, execution, heartbeat, leases, transitions
from workflows.models import Approval, Checkpoint, Effect, Event, Run

pytestmark = pytest.mark.django_db(transaction=True)

SYNC = """
import random, time
def handler(event):
    log("begin", at=time.time(), chance=random.random())
    first = tools.test.pure(a=time.time())
    log("between", first=first)
    second = tools.test.{last}(a=random.random(), b=first)
    return [first, second, time.time() > 0]
"""
ASYNC = """
import asyncio
async def one(n):
    answer = await tools.test.pure(n=n)
    return [answer, await tools.test.keyed(n=n, after=answer)]
async def handler(event):
    return await asyncio.gather(*[one(n) for n in range(4)])
"""


@pytest.fixture(autouse=True)
def tools_for_tests(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, tool in TOOLS.items():
        monkeypatch.setitem(tools.TOOLS, name, f"{tool.__module__}.{tool.__qualname__}")
    yield
    for tool in TOOLS.values():
        tool.calls.clear()
        tool.plan.clear()


@pytest.fixture(params=["cpython", "monty"])
def runtime(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def submit(owner: User, code: str, runtime: str) -> Run:
    deploy(owner, code, runtime=runtime, tools={"test": ["pure", "keyed", "unsafe"]})
    target = actions.find_target(actor=owner, name="echo")
    return actions.submit_ticket(actor=owner, target=target, input={}).run


def test_finished_calls_and_logs_are_not_repeated(owner: User, runtime: str) -> None:
    run = submit(owner, SYNC.format(last="keyed"), runtime)
    KeyedTool.plan += ["killed after", "killed after"]
    killed(run)
    killed(run)
    done = advance(run)
    assert (done.status, done.output) == ("completed", [{"n": 1}, {"n": 3}, True])
    assert (len(PureTool.calls), len({call.key for call in KeyedTool.calls})) == (1, 1)
    assert KeyedTool.calls[0].arguments == KeyedTool.calls[2].arguments
    assert list(Event.objects.filter(type="log").values_list("data__message", flat=True)) == ["begin", "between"]


def test_async_calls_are_answered_in_their_recorded_order(owner: User, runtime: str) -> None:
    run = submit(owner, ASYNC, runtime)
    KeyedTool.plan += ["", "", "killed after"]
    killed(run)
    done = advance(run)
    answers = {call.key: call.arguments for call in KeyedTool.calls}
    assert done.status == "completed", done.error
    assert len(PureTool.calls) >= 4
    # Each second call was made with the answer to its own first one, in whichever attempt.
    recorded = {effect.arguments["n"]: effect.result for effect in Effect.objects.filter(name="test.pure")}
    assert {arguments["n"]: arguments["after"] for arguments in answers.values()} == recorded
    assert [pair[0] for pair in done.output] == [recorded[n] for n in range(4)]


def test_an_unsafe_call_waits_and_the_place_in_the_sandbox_is_free(owner: User, runtime: str) -> None:
    run = submit(owner, SYNC.format(last="unsafe"), runtime)
    UnsafeTool.plan.append("killed after")
    killed(run)
    assert advance(run).blocker == "approval"
    assert heartbeat.held() == 0
    approvals.decide_approval(actor=owner, approval=Approval.objects.get(), decision="accept", result="seen")
    assert leases.due(5) == [run.pk]
    done = advance(run)
    assert (done.status, done.output[:2], len(UnsafeTool.calls)) == ("completed", [{"n": 1}, "seen"], 1)


def test_code_that_changes_its_mind_ends_clearly(owner: User, runtime: str) -> None:
    run = submit(owner, SYNC.format(last="keyed"), runtime)
    KeyedTool.plan.append("killed after")
    killed(run)
    Effect.objects.filter(name="test.pure").update(arguments={"a": "something else"})
    done = advance(run)
    assert (done.status, done.error["code"]) == ("failed", "non_determinism")
    assert "call 2 of test.pure has other arguments" in done.error["message"]


def test_a_draining_worker_hands_a_run_on_at_its_next_call(
    owner: User, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = submit(owner, SYNC.format(last="keyed"), runtime)
    monkeypatch.setattr(heartbeat, "_leaving", True)
    held = transitions.claim_run(run.pk)
    assert held is not None
    execution.execute(held)
    handed_on = Run.objects.get(pk=run.pk)
    assert (handed_on.status, handed_on.blocker, PureTool.calls) == ("waiting", "", [])
    assert leases.due(5) == [run.pk]
    monkeypatch.setattr(heartbeat, "_leaving", False)
    assert advance(run).status == "completed"


def test_a_call_that_does_not_exist_is_an_error_of_the_code(owner: User) -> None:
    done = advance(submit(owner, "def handler(event):\n    call_llm('hi')\n", "monty"))
    assert done.error["message"] == "RuntimeError: not_available: call_llm is not available on this platform yet"


def test_wrong_arguments_are_told_with_their_path(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
    monkeypatch.setattr(PureTool, "input_schema", schema)
    code = "def handler(event):\n    tools.test.pure(a=1)\n"
    done = advance(submit(owner, code, "monty"))
    assert "invalid_arguments: test.pure.a:" in done.error["message"]
    assert PureTool.calls == []


def test_a_run_goes_on_in_the_runtime_it_began_in(owner: User, settings: Any) -> None:
    settings.SANDBOX_RUNTIME = "monty"
    run = submit(owner, SYNC.format(last="keyed"), "auto")
    KeyedTool.plan.append("killed after")
    killed(run)
    settings.SANDBOX_RUNTIME = "cpython"
    assert advance(run).status == "completed"
    assert Event.objects.get(type="sandbox").data["runtime"] == "monty"


class TestCheckpoints:
    """In monty a run that waits goes on from where its interpreter stood."""

    CODE = "def handler(event):\n    first = tools.test.pure(a=1)\n    return [first, tools.test.keyed(b=2)]\n"

    @pytest.fixture
    def waiting(self, owner: User, settings: Any) -> Run:
        settings.APPROVAL_TOOLS = ["test.keyed"]
        run = submit(owner, self.CODE, "monty")
        assert advance(run).blocker == "approval"
        return run

    def allow(self, owner: User) -> None:
        approvals.decide_approval(actor=owner, approval=Approval.objects.get(), decision="allow")

    def test_its_code_is_not_run_again(self, owner: User, waiting: Run) -> None:
        assert Checkpoint.objects.get().run_id == waiting.pk
        # Run again, the code would be told that it makes another call than before.
        Effect.objects.filter(name="test.pure").update(arguments={"a": "something else"})
        self.allow(owner)
        assert advance(waiting).output == [{"n": 1}, {"n": 1}]
        assert not Checkpoint.objects.exists()

    def test_without_one_it_is_replayed(self, owner: User, waiting: Run) -> None:
        Checkpoint.objects.all().delete()
        self.allow(owner)
        assert advance(waiting).output == [{"n": 1}, {"n": 1}]
        assert (len(PureTool.calls), len(KeyedTool.calls)) == (1, 1)

    def test_what_was_called_after_it_is_replayed_on_top(self, owner: User, waiting: Run) -> None:
        self.allow(owner)
        KeyedTool.plan.append("killed after")
        killed(waiting)
        assert advance(waiting).output == [{"n": 1}, {"n": 2}]


def test_answers_come_back_as_they_were(owner: User, runtime: str) -> None:
    code = """
def handler(event):
    first = tools.test.pure(a=1e16, z=[1.0, 1e300], b={"z": 1, "a": 2})
    tools.test.keyed(keys=list(first), given=list(event), number=repr(first["long key"]))
    return first
"""
    answer = {"long key": 1e22, "b": 1.0, "a": {"z": 1, "y": 2}}
    PureTool.plan.append(answer)
    KeyedTool.plan.append("killed after")
    deploy(owner, code, runtime=runtime, tools={"test": ["pure", "keyed"]})
    target = actions.find_target(actor=owner, name="echo")
    run = actions.submit_ticket(actor=owner, target=target, input={"zz": 1, "b": 2, "a": 3}).run
    killed(run)
    done = advance(run)
    assert (done.status, done.error) == ("completed", None)
    assert list(done.output.items()) == list(answer.items())
    assert KeyedTool.calls[1].arguments == {
        "keys": ["long key", "b", "a"],
        "given": ["zz", "b", "a"],
        "number": "1e+22",
    }


def test_a_tool_that_is_gone_is_told_to_the_code(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    run = submit(owner, SYNC.format(last="keyed"), "monty")
    KeyedTool.plan.append("killed after")
    killed(run)
    monkeypatch.delitem(tools.TOOLS, "test.keyed")
    tools.tool_of.cache_clear()
    done = advance(run)
    assert "not_available: test.keyed is not available any more" in done.error["message"]


def test_a_run_takes_and_gives_so_much_and_no_more(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "MAX_RUN_BYTES", 100)
    code = "def handler(event):\n    for n in range(9):\n        tools.test.pure(text='x' * 20)\n"
    done = advance(submit(owner, code, "monty"))
    assert "too_large: the calls of a run take and give at most" in done.error["message"]
    assert 1 < len(PureTool.calls) < 5


def test_calls_that_nobody_waits_for_take_no_threads_for_long(owner: User, settings: Any) -> None:
    code = """
async def run(given, tools):
    for n in range(16):
        tools.http.get(url=given)
    return 1
"""
    with http_server() as server:
        server.on("/", Reply(delay=30))
        settings.OUTBOUND_ALLOW = [server.netloc]
        deploy(owner, code, runtime="cpython", tools={"http": ["get"]}, limits={"wall_seconds": 2.0})
        target = actions.find_target(actor=owner, name="echo")
        run = actions.submit_ticket(actor=owner, target=target, input=f"{server.url}/").run
        assert advance(run).status == "completed"
        deadline = time.monotonic() + 20
        while [thread for thread in threading.enumerate() if thread.name.startswith("sandbox-host-call")]:
            assert time.monotonic() < deadline, "they are still at work"
            time.sleep(0.1)
    assert set(Effect.objects.values_list("status", flat=True)) == {"unknown"}

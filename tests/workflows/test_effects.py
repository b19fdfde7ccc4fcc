"""The effect ledger: what is made again, what is answered from it, and what waits for somebody."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.utils import timezone

from billing.models import User
from gofannon.lib.clock import DatabaseNow
from gofannon.lib.errors import ApiError, Conflict
from tests.factories.effects import LOST, REFUSED, TOOLS, KeyedTool, PureTool, UnsafeTool, advance, killed
from workflows import approvals, execution, leases, tool_calls, transitions
from workflows.effects import Call, Ledger
from workflows.models import Approval, Blocker, Effect, Event, Lease, Run
from workflows.runners import RUNNERS, Control

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def spine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(RUNNERS, "steps", "tests.factories.effects.StepsRunner")
    monkeypatch.setattr(tool_calls, "PAUSE_SECONDS", 0.001)
    yield
    for tool in TOOLS.values():
        tool.calls.clear()
        tool.plan.clear()


def make_run(owner: User, *steps: str) -> Run:
    run = Run(kind="steps", actor_id=owner.pk, owner_id=owner.pk, payer_id=owner.pk, input={"steps": list(steps)})
    return transitions.create_run(run)


def waiting(owner: User) -> tuple[Any, Approval]:
    """A run whose unsafe call was killed after it took effect, as the next worker leaves it."""
    UnsafeTool.plan.append("killed after")
    run = make_run(owner, "test.unsafe")
    killed(run)
    return advance(run), Approval.objects.get()


class TestClasses:
    def test_a_finished_call_is_answered_from_the_ledger(self, owner: User) -> None:
        PureTool.plan += ["", "killed before"]
        run = make_run(owner, "test.pure", "test.pure")
        killed(run)
        done = advance(run)
        assert (done.status, done.output) == ("completed", [{"n": 1}, {"n": 2}])
        assert [call.arguments["step"] for call in PureTool.calls] == [1, 2]

    def test_a_pure_call_is_made_again(self, owner: User) -> None:
        PureTool.plan.append("killed after")
        run = make_run(owner, "test.pure")
        killed(run)
        assert advance(run).output == [{"n": 2}]

    def test_a_keyed_call_goes_out_again_with_the_same_key(self, owner: User) -> None:
        KeyedTool.plan.append("killed after")
        run = make_run(owner, "test.keyed", "test.keyed")
        killed(run)
        assert advance(run).status == "completed"
        assert [call.key for call in KeyedTool.calls] == [f"{run.pk}:1", f"{run.pk}:1", f"{run.pk}:2"]

    def test_an_unsafe_call_is_never_made_again_by_itself(self, owner: User) -> None:
        run, approval = waiting(owner)
        assert (run.status, run.blocker, len(UnsafeTool.calls)) == ("waiting", "approval", 1)
        assert (approval.reason, Effect.objects.get().status) == ("unknown_outcome", "unknown")
        assert (advance(run).status, len(UnsafeTool.calls), Approval.objects.count()) == ("waiting", 1, 1)

    def test_a_call_is_a_row_before_it_is_made(self, owner: User) -> None:
        UnsafeTool.plan.append("killed before")
        killed(make_run(owner, "test.unsafe"))
        assert Effect.objects.values_list("status", "name", "attempt").get() == ("dispatched", "test.unsafe", 1)
        assert list(Event.objects.order_by("seq").values_list("type", flat=True)) == ["created", "started", "call"]

    def test_an_unsafe_call_without_an_answer_waits_too(self, owner: User) -> None:
        UnsafeTool.plan.append(LOST)
        run = advance(make_run(owner, "test.unsafe"))
        assert (run.blocker, Approval.objects.get().reason) == ("approval", "unknown_outcome")

    def test_trouble_before_anything_was_sent_is_tried_again(self, owner: User) -> None:
        UnsafeTool.plan += [REFUSED, REFUSED]
        KeyedTool.plan += [REFUSED] * 3
        assert advance(make_run(owner, "test.unsafe", "test.keyed")).output == [{"n": 3}, "connect_failed"]

    def test_a_changed_call_ends_the_run(self, owner: User) -> None:
        PureTool.plan += ["", "killed before"]
        run = make_run(owner, "test.pure", "test.pure")
        killed(run)
        Run.objects.update(input={"steps": ["test.keyed", "test.pure"]})
        done = advance(run)
        assert (done.status, done.error["code"]) == ("failed", "non_determinism")
        assert done.error["message"] == "call 1 was test.pure in an earlier attempt and is test.keyed in this one"


class TestFencing:
    def test_who_is_late_begins_no_call(self, owner: User) -> None:
        run = make_run(owner, "test.unsafe")
        late = transitions.claim_run(run.pk)
        assert late is not None
        Lease.objects.update(due_at=DatabaseNow(-1))
        transitions.claim_run(run.pk)
        with pytest.raises(leases.LeaseLost):
            Ledger(Control(late)).begin(Call("1", "test.unsafe", {}), Effect.Class.UNSAFE)
        assert not Effect.objects.exists()

    def test_who_is_late_stores_no_answer(self, owner: User) -> None:
        run = make_run(owner, "test.pure")
        late = transitions.claim_run(run.pk)
        assert late is not None
        ledger = Ledger(Control(late))
        effect = ledger.begin(Call("1", "test.pure", {}), Effect.Class.PURE)
        Lease.objects.update(due_at=DatabaseNow(-1))
        transitions.claim_run(run.pk)
        with pytest.raises(leases.LeaseLost):
            tool_calls.ToolCalls(ledger.control, ledger).finish(effect, lambda: (1, 1.0), result="late")
        assert Effect.objects.get().status == "dispatched"

    def test_nothing_leaves_the_house_when_the_lease_may_have_run_out(self, owner: User) -> None:
        run = transitions.claim_run(make_run(owner, "test.unsafe").pk)
        assert run is not None
        control = Control(run)
        control.renewed -= leases.LEASE_SECONDS
        calls = tool_calls.ToolCalls(control, Ledger(control))
        with pytest.raises(leases.LeaseLost):
            calls.make(Call("1", "test.unsafe", {}), UnsafeTool(), lambda: (1, 1.0))
        assert UnsafeTool.calls == []
        assert not Effect.objects.exists()

    def test_getting_on_makes_earlier_tries_forgotten(self, owner: User) -> None:
        PureTool.plan += ["killed before", "killed before", "", "killed before"]
        run = make_run(owner, "test.pure", "test.pure")
        for _ in range(3):
            killed(run)
        run.refresh_from_db()
        assert (run.attempt, run.tries) == (3, 0)

    def test_a_run_that_got_on_in_its_last_try_is_not_given_up_for_a_fault(self, owner: User) -> None:
        PureTool.plan += ["killed before"] * 4
        run = make_run(owner, "test.pure", "no such tool")
        for _ in range(4):
            killed(run)
        assert (advance(run).status, Run.objects.get().tries) == ("waiting", 0)

    def test_of_runs_whose_workers_died_one_is_worked_on_at_a_time(self, owner: User) -> None:
        one, other = make_run(owner, "test.pure"), make_run(owner, "test.keyed")
        Run.objects.update(tries=execution.SUSPECT_TRIES)
        PureTool.plan.append({"meanwhile": 1})
        held = transitions.claim_run(one.pk)
        assert held is not None
        with execution.beside(held) as room:
            put_off = advance(other)
        assert (room, put_off.status, put_off.tries, KeyedTool.calls) == (True, "waiting", 3, [])
        assert advance(other).status == "completed"

    def test_a_call_that_kills_every_worker_is_given_up(self, owner: User) -> None:
        PureTool.plan += ["killed before"] * 9
        run = make_run(owner, "test.pure")
        for _ in range(5):
            killed(run)
        assert advance(run).error["code"] == "attempts_exhausted"


class TestDecisions:
    def decide(self, owner: User, decision: str, result: Any = None) -> Any:
        run, approval = waiting(owner)
        approvals.decide_approval(actor=owner, approval=approval, decision=decision, result=result)
        assert leases.due(5) == [run.pk]
        execution.advance(run.pk)
        return Run.objects.get()

    def test_retry_makes_the_call_once_more(self, owner: User) -> None:
        assert (self.decide(owner, "retry").output, len(UnsafeTool.calls)) == ([{"n": 2}], 2)

    def test_accept_gives_the_code_the_result(self, owner: User) -> None:
        assert (self.decide(owner, "accept", {"n": "seen"}).output, len(UnsafeTool.calls)) == ([{"n": "seen"}], 1)

    def test_fail_ends_the_run(self, owner: User) -> None:
        run = self.decide(owner, "fail")
        assert (run.status, run.error["code"]) == ("failed", "approval_failed")

    def test_a_retry_that_is_killed_asks_again(self, owner: User) -> None:
        run, approval = waiting(owner)
        approvals.decide_approval(actor=owner, approval=approval, decision="retry")
        UnsafeTool.plan.append("killed after")
        killed(run)
        assert (advance(run).blocker, len(UnsafeTool.calls)) == ("approval", 2)
        assert list(Approval.objects.order_by("number").values_list("number", "decision")) == [(1, "retry"), (2, "")]

    def test_nobodys_decision_is_told_to_the_code(self, owner: User) -> None:
        run, _ = waiting(owner)
        Approval.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
        assert (advance(run).output, Approval.objects.get().decision) == (["approval_expired"], "expired")

    def test_it_is_decided_once(self, owner: User) -> None:
        _, approval = waiting(owner)
        approvals.decide_approval(actor=owner, approval=approval, decision="accept", result=1)
        with pytest.raises(Conflict, match="decided already"):
            approvals.decide_approval(actor=owner, approval=approval, decision="retry")
        assert Approval.objects.values_list("decision", "result", "decided_by").get() == ("accept", 1, owner.pk)

    def test_only_what_makes_sense_is_an_option(self, owner: User) -> None:
        _, approval = waiting(owner)
        for decision, result, path in (("allow", None, "decision"), ("", None, "decision"), ("retry", 1, "result")):
            with pytest.raises(ApiError) as refused:
                approvals.decide_approval(actor=owner, approval=approval, decision=decision, result=result)
            assert refused.value.path == path
        assert Approval.objects.get().decision == ""

    def test_an_ended_run_asks_nothing_any_more(self, owner: User) -> None:
        run, approval = waiting(owner)
        transitions.request_cancel(run)
        with pytest.raises(Conflict, match="has ended"):
            approvals.decide_approval(actor=owner, approval=approval, decision="retry")

    def test_a_decision_made_while_the_run_is_worked_on_wakes_it_afterwards(self, owner: User) -> None:
        run, approval = waiting(owner)
        Lease.objects.update(due_at=DatabaseNow(-1))
        held = transitions.claim_run(run.pk)
        assert held is not None
        approvals.decide_approval(actor=owner, approval=approval, decision="retry")
        transitions.suspend_run(held, seconds=60, blocker=Blocker.APPROVAL)
        assert leases.due(5) == [run.pk]


class TestRequiredApproval:
    @pytest.fixture(autouse=True)
    def required(self, settings: Any) -> None:
        settings.APPROVAL_TOOLS = ["test.keyed"]

    def ask(self, owner: User, decision: str) -> Any:
        run = advance(make_run(owner, "test.keyed"))
        assert (run.blocker, KeyedTool.calls, Effect.objects.get().status) == ("approval", [], "intent")
        approvals.decide_approval(actor=owner, approval=Approval.objects.get(), decision=decision)
        return advance(run)

    def test_an_allowed_call_is_made(self, owner: User) -> None:
        assert self.ask(owner, "allow").output == [{"n": 1}]

    def test_a_denied_call_is_told_to_the_code(self, owner: User) -> None:
        assert (self.ask(owner, "deny").output, KeyedTool.calls) == (["denied"], [])

    def test_a_worker_killed_before_it_asked_asks_later(self, owner: User) -> None:
        run = advance(make_run(owner, "test.keyed"))
        Approval.objects.all().delete()
        assert (advance(run).blocker, Approval.objects.get().reason) == ("approval", "required")


class TestCommitsWhoseAnswerWasLost:
    """The connection broke after the commit and before its answer: the write is tried again, and does nothing."""

    def broken_after(self, table: str, verb: str) -> Any:
        broken: list[str] = []

        def fail() -> None:
            raise OperationalError("the server closed the connection")

        def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            result = execute(sql, params, many, context)
            if sql.startswith(verb) and table in sql and not broken:
                broken.append(sql)
                transaction.on_commit(fail)
            return result

        return connection.execute_wrapper(wrapper)

    @pytest.mark.parametrize("verb", ["INSERT", "UPDATE"])
    def test_a_call_is_made_and_told_once(self, owner: User, verb: str) -> None:
        run = make_run(owner, "test.unsafe")
        with self.broken_after("workflows_effect", verb):
            done = advance(run)
        assert (done.status, done.output, len(UnsafeTool.calls)) == ("completed", [{"n": 1}], 1)
        types = list(Event.objects.order_by("seq").values_list("type", flat=True))
        assert types == ["created", "started", "call", "result", "completed"]

"""Tools of each class that count their calls, a runner that makes calls in steps, as sandboxed code would, and
attempts: the next one, and one that is killed.
"""

from typing import Any, ClassVar

import pytest

from agents.tools import EffectClass, ToolCall, ToolError
from gofannon.lib.clock import DatabaseNow
from workflows import execution
from workflows.effects import FINISHED, Call, Changed, Ledger
from workflows.models import Effect, Lease, Run
from workflows.runners import Completed, Control, Failed, Later, Result
from workflows.tool_calls import EndRun, ToolCalls, Wait


class Killed(BaseException):
    """As if the process had been killed here: nothing of it runs any further."""


class CountingTool:
    """Answers {"n": calls so far}. `plan` says what happens to the next calls: "killed" before or after the call took
    effect, or an error to raise; nothing planned: it answers.
    """

    description = "for tests"
    input_schema: dict[str, Any] = {"type": "object"}
    effect_class: EffectClass
    name: str
    calls: ClassVar[list[ToolCall]]
    plan: ClassVar[list[str | Exception | dict[str, Any]]]

    def __init_subclass__(cls) -> None:
        cls.calls, cls.plan = [], []

    def call(self, call: ToolCall) -> Any:
        planned = self.plan.pop(0) if self.plan else ""
        if planned == "killed before":
            raise Killed
        call.before_send()
        self.calls.append(call)
        if planned == "killed after":
            raise Killed
        if isinstance(planned, Exception):
            raise planned
        if isinstance(planned, dict):
            return planned
        return {"n": len(self.calls)}


class PureTool(CountingTool):
    name = "test.pure"
    effect_class: EffectClass = "pure"


class KeyedTool(CountingTool):
    name = "test.keyed"
    effect_class: EffectClass = "keyed"


class UnsafeTool(CountingTool):
    name = "test.unsafe"
    effect_class: EffectClass = "unsafe"


TOOLS: dict[str, type[CountingTool]] = {tool.name: tool for tool in (PureTool, KeyedTool, UnsafeTool)}
LOST = ToolError("timeout", "no answer came", unknown=True)
REFUSED = ToolError("connect_failed", "nobody listens", retryable=True)


class StepsRunner:
    """`input` is {"steps": ["test.pure", ...]}; the output is the list of answers, an error as its code."""

    def run(self, control: Control) -> Result:
        ledger = Ledger.of(control)
        calls, answers = ToolCalls(control, ledger), []
        try:
            steps: list[str] = (control.run.input or {})["steps"]
            for step, name in enumerate(steps, start=1):
                call = Call(str(step), name, {"step": step}, made_after=step - 1)
                effect = self._ended(calls, ledger, call)
                answers.append(effect.result if effect.error is None else effect.error["code"])
        except Wait as wait:
            return Later(60, wait.blocker)
        except EndRun as end:
            return end.failed
        except Changed as change:
            return Failed("non_determinism", str(change))
        return Completed(answers)

    def _ended(self, calls: ToolCalls, ledger: Ledger, call: Call) -> Effect:
        step = int(call.id)
        effect = ledger.find(call)
        if effect is not None and effect.status in FINISHED:
            return effect
        tool = TOOLS[call.name]()
        if effect is None:
            return calls.make(call, tool, lambda: (step, float(step)))
        return calls.resume(call, effect, tool, lambda: (step, float(step)))


def advance(run: Run) -> Any:
    """Works on the run as whoever claims it next would."""
    before = Run.objects.get(pk=run.pk).attempt
    while Run.objects.get(pk=run.pk).attempt == before:
        # A late beat of the attempt before may have prolonged the lease once more.
        Lease.objects.filter(run=run).update(due_at=DatabaseNow(-1))
        execution.advance(run.pk)
    return Run.objects.get(pk=run.pk)


def killed(run: Run) -> None:
    with pytest.raises(Killed):
        advance(run)

"""What sandboxed code may ask of the platform: each call goes through the effect ledger, and is answered once.

A call of an earlier attempt is answered from the ledger. One that cannot be answered now (somebody has to approve it,
the run that it called has not ended, this worker drains) is answered LATER: the run gives its place back and goes on
in another attempt.
"""

import json
from typing import Any

from django.conf import settings

from agents import sandbox, tools
from agents.agent_spec import AgentSpec
from gofannon.lib.connections import give_back_connection
from gofannon.lib.errors import ApiError
from workflows import calling, transitions
from workflows.effects import FINISHED, Call, Changed, Ledger, TooManyRuns
from workflows.execution import persist
from workflows.models import Blocker, Effect, Event
from workflows.runners import Control
from workflows.tool_calls import Settle, ToolCalls, Wait
from workflows.transitions import Note

MAX_LINE_BYTES = 64 << 10
MAX_LOGGED_BYTES = 4 << 20


class Host:
    def __init__(self, control: Control, spec: AgentSpec) -> None:
        self.control, self.spec = control, spec
        self.ledger = Ledger.of(control)
        self.calls = ToolCalls(control, self.ledger)
        # Why calls were answered LATER; Blocker.NONE: because this worker drains.
        self.blockers: set[Blocker] = set()
        self.logged_bytes = 0
        self.logged = self._logged_before()

    def __call__(self, call: sandbox.HostCall) -> Any:
        try:
            if call.name == "log":
                return self._log(call)
            effect = self._answer(call)
        except Wait as wait:
            self.blockers.add(wait.blocker)
            return sandbox.LATER
        finally:
            # Each thread that calls come in, the run's own for `log`, would keep a connection.
            give_back_connection()
        if effect.error is not None:
            raise sandbox.HostCallError(str(effect.error.get("code")), str(effect.error.get("message")))
        return effect.result

    def replay(self) -> tuple[sandbox.Recorded, ...]:
        """What the sandbox needs to know of the calls of earlier attempts."""
        found = []
        for known in self.ledger.recorded.values():
            place = None if known.step is None else sandbox.Place(known.step, known.clock or 0.0)
            found.append(sandbox.Recorded(int(known.call), known.made_after, place))
        return tuple(sorted(found, key=lambda recorded: recorded.id))

    def _logged_before(self) -> set[int]:
        run = self.control.run
        if run.attempt == 1:
            return set()
        return set(Event.objects.filter(run_id=run.pk, type="log").values_list("data__call", flat=True))

    def _log(self, call: sandbox.HostCall) -> None:
        size = len(json.dumps(call.arguments, ensure_ascii=False).encode())
        if size > MAX_LINE_BYTES:
            raise sandbox.HostCallError("too_large", f"a log line has at most {MAX_LINE_BYTES} bytes")
        self.logged_bytes += size
        if self.logged_bytes > MAX_LOGGED_BYTES:
            raise sandbox.HostCallError("log_limit", f"a run logs at most {MAX_LOGGED_BYTES} bytes")
        if call.id not in self.logged:
            note = Note("log", {**call.arguments, "call": call.id})
            persist(self.control, lambda: transitions.append_events(self.control.run, [note]))

    def _answer(self, call: sandbox.HostCall) -> Effect:
        """The call's effect once it has ended. Raises Wait."""
        mine = Call(str(call.id), call.name.removeprefix("tool:"), call.arguments, call.made_after, call.abandoned)
        settle = _settling(call)
        try:
            effect = self.ledger.find(mine)
        except Changed as change:
            raise sandbox.NonDeterminism(str(change)) from None
        if effect is not None and effect.status in FINISHED:
            return effect
        if effect is None and (self.control.draining.is_set() or mine.abandoned()):
            raise Wait(Blocker.NONE)
        if call.name == "call_agent":
            return self._call_agent(mine, effect, settle)
        if call.name.startswith("tool:"):
            return self._call_tool(mine, effect, settle)
        return self.calls.refuse(mine, "not_available", f"{call.name} is not available on this platform yet", settle)

    def _call_tool(self, mine: Call, effect: Effect | None, settle: Settle) -> Effect:
        try:
            tool = tools.tool_of(mine.name)
        except KeyError:
            if effect is not None:
                gone = {"code": "not_available", "message": f"{mine.name} is not available any more"}
                return self.calls.finish(effect, settle, error=gone)
            return self.calls.refuse(mine, "not_available", f"{mine.name} is not available on this platform", settle)
        return self.calls.make(mine, tool, settle) if effect is None else self.calls.resume(mine, effect, tool, settle)

    def _call_agent(self, mine: Call, effect: Effect | None, settle: Settle) -> Effect:
        if effect is None:
            if not self.ledger.reserve(mine, settings.CALL_FANOUT):
                told = f"a run calls at most {settings.CALL_FANOUT} agents"
                return self.calls.refuse(mine, "too_many_calls", told, settle)
            try:
                child = calling.prepare(self.control.run, self.spec, mine.arguments)
                effect = self.ledger.begin(mine, Effect.Class.KEYED, child=child)
            except ApiError as error:
                told = error.message if error.path is None else f"{error.path}: {error.message}"
                return self.calls.refuse(mine, error.code, told, settle)
            except TooManyRuns:
                told = f"a run calls at most {settings.CALL_TOTAL} runs, directly and through others"
                return self.calls.refuse(mine, "too_many_calls", told, settle)
        assert effect.child is not None
        ended = calling.carry_on(effect.child)
        if ended is None:
            raise Wait(Blocker.CHILD)
        changes = calling.costs_of(ended)
        return self.calls.finish(effect, settle, **calling.answer_of(ended), **changes)


def _settling(call: sandbox.HostCall) -> Settle:
    def settle() -> tuple[int, float]:
        place = call.settle()
        return place.step, place.clock

    return settle

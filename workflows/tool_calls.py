"""Tool calls of a run, whoever makes them: by its class and by what the ledger holds, each is made, made again,
answered from the ledger, or waits for somebody.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from django.conf import settings

from agents import schemas
from agents.tools import Tool, ToolCall, ToolError
from gofannon.lib.connections import give_back_connection
from gofannon.lib.errors import ApiError
from workflows import approvals
from workflows.effects import MAX_RUN_BYTES, Answer, Call, Ledger
from workflows.leases import LeaseLost
from workflows.models import Approval, Blocker, Decision, Effect
from workflows.runners import Control, Failed

log = logging.getLogger(__name__)

# A call that may be made again is, so often, before its run hears of it.
TRIES = 3
PAUSE_SECONDS = 0.25

TOO_MUCH = ("too_large", f"the calls of a run take and give at most {MAX_RUN_BYTES} bytes")

Place = tuple[int | None, float | None]
Settle = Callable[[], Place]
"""Reserves the place of an answer in the run's course: the number of the input, and seconds on its clock."""


class Wait(Exception):
    """The call cannot be answered in this attempt; `blocker` says why, and is none where the worker drains."""

    def __init__(self, blocker: Blocker) -> None:
        super().__init__(str(blocker))
        self.blocker = blocker


class EndRun(Exception):
    """Ends the run with a failure of its own."""

    def __init__(self, failed: Failed) -> None:
        super().__init__(failed.message)
        self.failed = failed


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """The tool calls of one attempt. Its methods may be called from many threads; none holds a connection while a
    tool works. All raise Wait, EndRun, LeaseLost.
    """

    control: Control
    ledger: Ledger

    def make(self, call: Call, tool: Tool, settle: Settle) -> Effect:
        """A call that the ledger does not know; its effect once it has ended."""
        try:
            schemas.check(call.arguments, tool.input_schema, tool.name)
        except ApiError as error:
            return self.refuse(call, "invalid_arguments", f"{error.path}: {error.message}", settle)
        if not self.ledger.weigh(call.arguments):
            return self.refuse(call, *TOO_MUCH, settle)
        needs_approval = tool.name in settings.APPROVAL_TOOLS
        # Who was frozen may find the run unclaimed still, and could store a call that it then does not dare to make.
        self.control.be_sure()
        effect = self.ledger.begin(call, Effect.Class(tool.effect_class), dispatch=not needs_approval)
        if needs_approval:
            approvals.ask(self.control, effect, Approval.Reason.REQUIRED)
            raise Wait(Blocker.APPROVAL)
        return self._dispatch(call, effect, tool, settle)

    def refuse(self, call: Call, code: str, message: str, settle: Settle) -> Effect:
        """Answers a call that is not made with an error. That is recorded too: the next attempt hears the same."""
        effect = self.ledger.begin(call, Effect.Class.PURE, dispatch=False)
        return self.finish(effect, settle, error={"code": code, "message": message})

    def resume(self, call: Call, effect: Effect, tool: Tool, settle: Settle) -> Effect:
        """Goes on with an unfinished call of an earlier attempt."""
        if effect.status == Effect.Status.DISPATCHED:
            if effect.effect_class != Effect.Class.UNSAFE:
                return self._again(call, effect, tool, settle)
            self._ask_outcome(effect)
        approval = approvals.latest(effect) or approvals.ask(self.control, effect, self._reason(effect))
        match approval.decision:
            case Decision.ALLOW | Decision.RETRY:
                return self._again(call, effect, tool, settle)
            case Decision.ACCEPT:
                return self.finish(effect, settle, result=approval.result)
            case Decision.DENY:
                return self.finish(effect, settle, error={"code": "denied", "message": "somebody denied this call"})
            case Decision.EXPIRED:
                message = "nobody decided about this call in time"
                return self.finish(effect, settle, error={"code": "approval_expired", "message": message})
            case Decision.FAIL:
                raise EndRun(Failed("approval_failed", f"somebody ended the run at its call {effect.call}"))
        raise Wait(Blocker.APPROVAL)

    def finish(
        self, effect: Effect, settle: Settle, *, result: Any = None, error: dict[str, Any] | None = None, **changes: Any
    ) -> Effect:
        """Stores how a call ended; `changes` are columns of the run."""
        step, clock = settle()
        self.ledger.finish(effect, Answer(result, error, step, clock), **changes)
        return effect

    def _reason(self, effect: Effect) -> Approval.Reason:
        unknown = effect.status == Effect.Status.UNKNOWN
        return Approval.Reason.UNKNOWN_OUTCOME if unknown else Approval.Reason.REQUIRED

    def _again(self, call: Call, effect: Effect, tool: Tool, settle: Settle) -> Effect:
        if self.control.draining.is_set():
            raise Wait(Blocker.NONE)
        self.control.be_sure()
        self.ledger.dispatch(effect)
        return self._dispatch(call, effect, tool, settle)

    def _ask_outcome(self, effect: Effect) -> NoReturn:
        approvals.ask(self.control, effect, Approval.Reason.UNKNOWN_OUTCOME)
        raise Wait(Blocker.APPROVAL)

    def _dispatch(self, call: Call, effect: Effect, tool: Tool, settle: Settle) -> Effect:
        give_back_connection()
        unsafe = effect.effect_class == Effect.Class.UNSAFE
        try:
            result = self._tried(call, effect, tool)
        except ToolError as error:
            if call.abandoned():
                # It stays as it is: dispatched, by a run that has ended or will be taken over.
                raise Wait(Blocker.NONE) from None
            if error.unknown and unsafe:
                self._ask_outcome(effect)
            return self.finish(effect, settle, error={"code": error.code, "message": error.message})
        except LeaseLost:
            raise
        except Exception:
            log.exception("run %s: a fault of ours in %s", effect.run_id, effect.name)
            if unsafe:
                self._ask_outcome(effect)
            return self.finish(effect, settle, error={"code": "tool_failed", "message": "a fault of ours"})
        if not self.ledger.weigh(result):
            code, message = TOO_MUCH
            return self.finish(effect, settle, error={"code": code, "message": message})
        return self.finish(effect, settle, result=result)

    def _tried(self, call: Call, effect: Effect, tool: Tool) -> Any:
        """Makes a call, again where its error and its class allow. Raises ToolError."""
        for left in reversed(range(TRIES)):
            # Its wall clock is the run's: what is left of it is all that a call may take.
            seconds = max(1.0, -self.control.seconds_over())
            try:
                return tool.call(ToolCall(effect.arguments, effect.key, seconds, self.control.be_sure, call.abandoned))
            except ToolError as error:
                unsafe = error.unknown and effect.effect_class == Effect.Class.UNSAFE
                pause = PAUSE_SECONDS * (TRIES - left)
                if unsafe or not error.retryable or not left or self.control.cancelled.wait(pause) or call.abandoned():
                    raise
        raise AssertionError("unreachable")

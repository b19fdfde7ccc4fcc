"""The effect ledger: every call that leaves a run is a row before it is dispatched, and is answered from it afterwards.

What becomes of a call of an earlier attempt whose outcome nobody stored is decided by its class: a pure one is made
again, a keyed one goes out again with the same key, an unsafe one is never repeated by itself.
"""

import threading
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from workflows import transitions
from workflows.execution import persist
from workflows.models import Effect, Run
from workflows.runners import Control
from workflows.transitions import Note

FINISHED = (Effect.Status.SUCCEEDED, Effect.Status.FAILED)


@dataclass(frozen=True, slots=True)
class Call:
    """A call as its run makes it. `id` is its own within the run; `made_after` the inputs that the code had by then."""

    id: str
    name: str
    arguments: dict[str, Any]
    made_after: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended, and where its answer stands in the run's course (input number, seconds on its clock)."""

    result: Any = None
    error: dict[str, Any] | None = None
    step: int | None = None
    clock: float | None = None


class Changed(Exception):
    """The code has made another call than the one that the ledger holds in its place. The text says which."""


@dataclass(slots=True)
class Ledger:
    """The calls of one run in one attempt. Its methods may be called from many threads."""

    control: Control
    recorded: dict[str, Effect] = field(default_factory=dict)
    # Columns of the run that are stored with its calls.
    begins: dict[str, Any] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, control: Control) -> "Ledger":
        """Reads what earlier attempts have done; nothing is asked for the first."""
        run = control.run
        if run.attempt == 1:
            return cls(control)
        effects = Effect.objects.filter(run_id=run.pk).select_related("child").order_by("pk")
        return cls(control, {effect.call: effect for effect in effects})

    @property
    def run(self) -> Run:
        return self.control.run

    def find(self, call: Call) -> Effect | None:
        """What the ledger holds of the call. Raises Changed where that was another call."""
        with self.lock:
            effect = self.recorded.get(call.id)
        if effect is None:
            return None
        if effect.name != call.name:
            raise Changed(f"call {call.id} was {effect.name} in an earlier attempt and is {call.name} in this one")
        if effect.arguments != call.arguments:
            raise Changed(f"call {call.id} of {call.name} has other arguments than in an earlier attempt")
        return effect

    def count(self, name: str) -> int:
        """How many calls of that name the run has made."""
        with self.lock:
            return sum(effect.name == name for effect in self.recorded.values())

    def begin(
        self, call: Call, effect_class: Effect.Class, *, dispatch: bool = True, child: Run | None = None
    ) -> Effect:
        """Stores the call as dispatched, or (`dispatch` false) as an intent. Raises LeaseLost."""
        status = Effect.Status.DISPATCHED if dispatch else Effect.Status.INTENT
        effect = Effect(
            run_id=self.run.pk,
            call=call.id,
            name=call.name,
            effect_class=effect_class,
            status=status,
            attempt=self.run.attempt,
            arguments=call.arguments,
            made_after=call.made_after,
            child=child,
        )
        self.run.made_calls = True
        child_note = {"run_id": child.pk} if child else {}
        note = Note("call", {"call": call.id, "name": call.name, "class": str(effect_class), **child_note})

        tries = 0

        def write() -> None:
            nonlocal tries
            tries += 1
            with transaction.atomic():
                if tries > 1 and Effect.objects.filter(run_id=self.run.pk, call=call.id).exists():
                    return  # the connection broke after the commit
                if child is not None:
                    transitions.create_run(child, claim=True)
                transitions.append_events(self.run, [note], **self.begins)
                effect.save(force_insert=True)

        persist(self.control, write)
        with self.lock:
            self.recorded[call.id] = effect
        return effect

    def dispatch(self, effect: Effect) -> None:
        """Stores that a known call goes out (again) in this attempt. Raises LeaseLost."""
        note = Note("call", {"call": effect.call, "name": effect.name, "again": True})
        values = {"status": Effect.Status.DISPATCHED, "attempt": self.run.attempt}
        self._change(effect, values, [note], unless=Q(**values))

    def forget_outcome(self, effect: Effect) -> None:
        """Stores that nobody can know whether the call happened. Raises LeaseLost."""
        note = Note("unknown", {"call": effect.call, "name": effect.name})
        self._change(effect, {"status": Effect.Status.UNKNOWN}, [note], unless=Q(status=Effect.Status.UNKNOWN))

    def finish(self, effect: Effect, answer: Answer, **changes: Any) -> None:
        """Stores how the call ended; `changes` are columns of the run. Raises LeaseLost."""
        values = {
            "status": Effect.Status.SUCCEEDED if answer.error is None else Effect.Status.FAILED,
            "result": answer.result,
            "error": answer.error,
            "step": answer.step,
            "clock": answer.clock,
            "finished_at": timezone.now(),
        }
        # What went in and came out is told by the effect, which not everybody sees who sees the events.
        told = {"code": answer.error.get("code")} if answer.error is not None else {}
        note = Note("result", {"call": effect.call, "name": effect.name, "status": str(values["status"]), **told})
        self._change(effect, values, [note], unless=Q(status__in=FINISHED), progress=True, **changes)

    def _change(self, effect: Effect, values: dict[str, Any], notes: list[Note], *, unless: Q, **more: Any) -> None:
        """Writes `values`; `unless` tells that they are there already, where the connection broke after the commit."""

        def write() -> None:
            with transaction.atomic():
                if Effect.objects.filter(~unless, pk=effect.pk).update(**values):
                    transitions.append_events(self.run, notes, **more)

        persist(self.control, write)
        for name, value in values.items():
            setattr(effect, name, value)

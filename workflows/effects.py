"""The effect ledger: every call that leaves a run is a row before it is dispatched, and is answered from it afterwards.

What becomes of a call of an earlier attempt whose outcome nobody stored is decided by its class: a pure one is made
again, a keyed one goes out again with the same key, an unsafe one is never repeated by itself.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from workflows import transitions
from workflows.execution import persist
from workflows.models import Effect, Run
from workflows.runners import Control
from workflows.transitions import Note

# Of all arguments and results of a run together.
MAX_RUN_BYTES = 64 << 20
FINISHED = (Effect.Status.SUCCEEDED, Effect.Status.FAILED)


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Call:
    """A call as its run makes it. `id` is its own within the run; `made_after` the inputs that the code had by then.

    `abandoned` tells that nobody waits for the answer any more: the run has ended, or its process has.
    """

    id: str
    name: str
    arguments: dict[str, Any]
    made_after: int = 0
    abandoned: Callable[[], bool] = field(default=_never, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """How a call ended, and where its answer stands in the run's course (input number, seconds on its clock)."""

    result: Any = None
    error: dict[str, Any] | None = None
    step: int | None = None
    clock: float | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """Where a call stands in the run's course."""

    call: str
    name: str
    made_after: int
    step: int | None = None
    clock: float | None = None


class TooManyRuns(Exception):
    """What all began with has called as many runs, directly and through others, as it may."""


class Changed(Exception):
    """The code has made another call than the one that the ledger holds in its place. The text says which."""


@dataclass(slots=True)
class Ledger:
    """The calls of one run in one attempt. Its methods may be called from many threads.

    It keeps what places the calls in the run's course, and leaves arguments and results in the database: a run may
    have made thousands of large ones.
    """

    control: Control
    recorded: dict[str, Recorded] = field(default_factory=dict)
    # Columns of the run that are stored with its calls.
    begins: dict[str, Any] = field(default_factory=dict)
    bytes: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def of(cls, control: Control) -> "Ledger":
        """Reads what earlier attempts have done; nothing is asked for the first."""
        run = control.run
        if run.attempt == 1:
            return cls(control)
        rows = Effect.objects.filter(run_id=run.pk).values_list("call", "name", "made_after", "step", "clock")
        return cls(control, {row[0]: Recorded(*row) for row in rows.order_by("pk")})

    @property
    def run(self) -> Run:
        return self.control.run

    def find(self, call: Call) -> Effect | None:
        """What the ledger holds of the call. Raises Changed where that was another call."""
        with self.lock:
            known = call.id in self.recorded
        if not known:
            return None
        effect: Effect = Effect.objects.select_related("child").get(run_id=self.run.pk, call=call.id)
        if effect.name != call.name:
            raise Changed(f"call {call.id} was {effect.name} in an earlier attempt and is {call.name} in this one")
        if effect.arguments != call.arguments:
            raise Changed(f"call {call.id} of {call.name} has other arguments than in an earlier attempt")
        self.weigh(call.arguments, effect.result)
        return effect

    def reserve(self, call: Call, most: int) -> bool:
        """Whether the call is one of the first `most` of its name; it counts from now on."""
        with self.lock:
            made = sum(recorded.name == call.name for recorded in self.recorded.values())
            if made < most:
                self.recorded[call.id] = Recorded(call.id, call.name, call.made_after)
            return made < most

    def weigh(self, *values: Any) -> bool:
        """Counts what calls were given and gave; false once that is more than a run may store."""
        size = sum(len(json.dumps(value, ensure_ascii=False).encode()) for value in values)
        with self.lock:
            self.bytes += size
            return self.bytes <= MAX_RUN_BYTES

    def begin(
        self, call: Call, effect_class: Effect.Class, *, dispatch: bool = True, child: Run | None = None
    ) -> Effect:
        """Stores the call as dispatched, or (`dispatch` false) as an intent; with it the run that it calls.

        Raises LeaseLost, and TooManyRuns where what all began with has called as many runs as it may.
        """
        effect = Effect(
            run_id=self.run.pk,
            call=call.id,
            name=call.name,
            effect_class=effect_class,
            status=Effect.Status.DISPATCHED if dispatch else Effect.Status.INTENT,
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
                transitions.append_events(self.run, [note], **self.begins)
                if child is not None:
                    _count_run(child.root_id)
                    transitions.create_run(child, claim=True)
                effect.save(force_insert=True)

        persist(self.control, write)
        with self.lock:
            self.recorded[call.id] = Recorded(call.id, call.name, call.made_after)
        return effect

    def dispatch(self, effect: Effect) -> None:
        """Stores that a known call goes out (again) in this attempt. Raises LeaseLost."""
        note = Note("call", {"call": effect.call, "name": effect.name, "again": True})
        values = {"status": Effect.Status.DISPATCHED, "attempt": self.run.attempt}
        self._change(effect, values, [note], unless=Q(**values))

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
                # The run is locked before its effects, here as where it ends.
                transitions.append_events(self.run, notes, **more)
                if not Effect.objects.filter(~unless, pk=effect.pk).update(**values):
                    transaction.set_rollback(True)

        persist(self.control, write)
        for name, value in values.items():
            setattr(effect, name, value)


def _count_run(root_id: str) -> None:
    """Counts a called run where it all began. Raises TooManyRuns. The caller holds a transaction."""
    if not Run.objects.filter(pk=root_id, called__lt=settings.CALL_TOTAL).update(called=F("called") + 1):
        raise TooManyRuns(root_id)

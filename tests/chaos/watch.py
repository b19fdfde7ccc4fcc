"""Beside the blows: one thread answers approvals from the server's own record, and asks whether any rule is broken."""

import threading
import time
from collections import Counter
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from gofannon.lib.errors import ApiError
from tests.chaos.arrivals import Arrivals, answer_to, place_of
from tests.chaos.cast import Cast
from tests.chaos.database import asked
from tests.chaos.load import Load
from workflows import approvals, check
from workflows.models import Approval, Run

LOOK_SECONDS = 0.25
CHECK_SECONDS = 5.0
# So long after the last process went on, or the question was put, nothing is on its way any more.
CALM_SECONDS = 1.0


class Watch:
    """`calm` is held by whoever stops or continues a process, and while an approval is decided."""

    def __init__(self, arrivals: Arrivals, cast: Cast, load: Load) -> None:
        self.decisions: Counter[str] = Counter()
        self.violations: list[str] = []
        self.faults: list[str] = []
        self.calm = threading.Lock()
        self.frozen = False
        self.thawed_at = 0.0
        self._arrivals, self._cast, self._load = arrivals, cast, load
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(30)

    def _loop(self) -> None:
        checked = time.monotonic()
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self._load.unfinished = asked(lambda: Run.objects.unfinished().count())
                self._decide()
                if time.monotonic() > checked + CHECK_SECONDS:
                    self.violations += [str(found) for found in asked(check.violations)]
                    checked = time.monotonic()
            except Exception as error:
                self.faults.append(f"the watch failed: {error!r}")
        connection.close()

    def _decide(self) -> None:
        before = timezone.now() - timedelta(seconds=CALM_SECONDS)
        open_ = Approval.objects.filter(decision="", reason="unknown_outcome", requested_at__lt=before)
        for approval in asked(lambda: list(open_.select_related("effect"))):
            with self.calm:
                if not self.frozen and time.monotonic() > self.thawed_at + CALM_SECONDS:
                    self._answer(approval)

    def _answer(self, approval: Approval) -> None:
        url = approval.effect.arguments["url"]
        place = place_of(url)
        arrived = self._arrivals.of(place)
        decision, result = ("accept", answer_to(place, url)) if arrived else ("retry", None)

        def decide() -> None:
            # Anew each time: a connection that broke after the commit has decided it.
            fresh: Any = Approval.objects.select_related("effect").get(pk=approval.pk)
            if not fresh.decision:
                actor = self._cast.operator
                approvals.decide_approval(actor=actor, approval=fresh, decision=decision, result=result)

        try:
            asked(decide)
            self.decisions[decision] += 1
        except ApiError as error:
            if error.code != "decided":  # by the end of its run
                raise

"""What a trial found: every count of faults must be 0."""

import logging
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.arrivals import Arrival, Place
from tests.chaos.blows import Log
from tests.chaos.load import Submission
from tests.chaos.programs import CALLS, all_of, digest_of, flat
from tests.chaos.watch import Watch
from tickets.models import Ticket
from workflows import check
from workflows.models import Approval, Event, Run, Status
from workflows.why import explain_run

log = logging.getLogger("chaos")


@dataclass(slots=True)
class Verdict:
    """`faults` are sentences by kind; `blows` their number by kind; `figures` what was counted besides."""

    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    figures: dict[str, Any] = field(default_factory=dict)
    blows: dict[str, int] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(map(len, self.faults.values()))


KINDS = (
    "lost",
    "stuck",
    "wrong ends",
    "duplicate tickets",
    "repeated unsafe calls",
    "calls that never arrived",
    "calls of several keys",
    "wrong replays",
    "wrong logs",
    "approvals without a window",
    "violations of rules",
    "processes",
)


@dataclass(slots=True)
class Judge:
    """Reads what is in the database, what arrived, and what the clients know, once everything has ended."""

    submissions: list[Submission]
    arrivals: dict[Place, list[Arrival]]
    log: Log
    watch: Watch
    verdict: Verdict = field(default_factory=Verdict)
    runs: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    def judge(self) -> Verdict:
        for kind in KINDS:
            self.verdict.faults[kind] = []
        run: Any
        for run in Run.objects.all():
            self.runs[run.input["marker"]].append(run)
        self._submissions()
        self._ends()
        self._calls()
        self._programs()
        self._approvals()
        self._rules()
        self._figures()
        return self.verdict

    def _blame(self, kind: str, sentence: str) -> None:
        self.verdict.faults[kind].append(sentence)

    def _submissions(self) -> None:
        tickets: dict[str, str] = dict(Ticket.objects.values_list("pk", "run_id"))
        for submission in self.submissions:
            marker = submission.job.marker
            found = self.runs.get(marker, [])
            if len(found) > 1:
                self._blame("duplicate tickets", f"{marker}: {[run.pk for run in found]}, {submission.statuses}")
            if submission.accepted and submission.ticket_id not in tickets:
                self._blame("lost", f"{marker}: {submission.statuses} {submission.ticket_id}")
            if submission.answered and found and submission.output != found[0].output:
                self._blame("wrong replays", f"{marker}: answered {submission.output}, stored {found[0].output}")

    def _ends(self) -> None:
        may_end = {s.job.marker for s in self.submissions if s.cancelled or s.job.subject}
        for run in (run for runs in self.runs.values() for run in runs):
            marker = run.input["marker"]
            if not run.is_finished:
                why = explain_run(run.pk, None)
                self._blame("stuck", f"{marker} {run.pk}: {why.code}: {why.message}")
            elif run.status != Status.COMPLETED and marker.partition(".")[0] not in may_end:
                self._blame("wrong ends", f"{marker} {run.pk} attempt {run.attempt}: {run.status} {run.error}")
            elif run.status == Status.FAILED and (run.error or {}).get("code") not in ("cancelled", "code_error"):
                self._blame("wrong ends", f"{marker} {run.pk} attempt {run.attempt}: {run.error}")

    def _calls(self) -> None:
        """Of every call, whether its run completed or not."""
        of_keys: dict[str, Place] = {}
        for place, found in self.arrivals.items():
            if place[0] == "unsafe" and len(found) > 1:
                self._blame("repeated unsafe calls", f"{place}: {len(found)} arrivals at {[one.at for one in found]}")
            if len({one.said for one in found}) > 1:
                self._blame("wrong replays", f"{place}: said {sorted({one.said for one in found})}")
            if place[0] != "keyed":
                continue
            keys = {one.key for one in found}
            if len(keys) > 1 or "" in keys or any(of_keys.setdefault(key, place) != place for key in keys):
                self._blame("calls of several keys", f"{place}: {sorted(keys)}")

    def _programs(self) -> None:
        """Of every run that completed: its result, its calls, its log lines."""
        logged: dict[str, Counter[int]] = defaultdict(Counter)
        for run_id, data in Event.objects.filter(type="log").values_list("run_id", "data"):
            logged[run_id][data["fields"]["n"]] += 1
        for runs in self.runs.values():
            for run in runs:
                if run.status == Status.COMPLETED:
                    self._result(run)
                    wanted = Counter(step["n"] for step in flat(run.input["steps"]) if step["op"] == "log")
                    if logged[run.pk] != wanted:
                        self._blame("wrong logs", f"{run.pk}: {logged[run.pk]} for {wanted}")

    def _result(self, run: Any) -> None:
        marker = run.input["marker"]
        if run.output["digest"] != digest_of(run.input):
            self._blame("wrong replays", f"{marker} {run.pk}: the digest is another")
        for step in flat(run.input["steps"]):
            if step["op"] in CALLS:
                found = self.arrivals.get((step["op"], marker, step["n"]), [])
                salt = f"salt={run.output['salts'][str(step['n'])]}&"
                if not found:
                    self._blame("calls that never arrived", f"{marker} {run.pk}: {step}")
                elif not found[0].said.startswith(salt):
                    self._blame("wrong replays", f"{marker} {run.pk}: {step} said {found[0].said}, stored {salt}")

    def _approvals(self) -> None:
        windows = Counter(effect for effect, _ in self.log.windows)
        asked = Counter(Approval.objects.filter(reason="unknown_outcome").values_list("effect_id", flat=True))
        for effect, number in (asked - windows).items():
            approval = Approval.objects.select_related("effect").filter(effect_id=effect).order_by("-number").first()
            assert approval is not None
            told = f"{approval.effect.run_id} call {approval.effect.call}, attempt {approval.effect.attempt}"
            self._blame("approvals without a window", f"{told}: {number} more than windows, {approval.requested_at}")
        decided = ", ".join(f"{number} {decision}" for decision, number in sorted(self.watch.decisions.items()))
        self.verdict.figures["approvals asked"] = f"{asked.total()} (answered: {decided or 'none'})"
        self.verdict.figures["windows of unsafe calls"] = len(self.log.windows)

    def _rules(self) -> None:
        found = [str(violation) for violation in check.violations(events=True)]
        self.verdict.faults["violations of rules"] += [*self.watch.violations, *found]
        self.verdict.faults["processes"] += [*self.log.faults, *self.watch.faults]

    def _figures(self) -> None:
        figures = self.verdict.figures
        runs = [run for found in self.runs.values() for run in found]
        roots = [run for run in runs if run.parent_id is None]
        figures["submitted"] = len(self.submissions)
        figures["runs"] = f"{len(roots)} submitted, {len(runs) - len(roots)} called by others"
        figures["ended"] = ", ".join(f"{n} {status}" for status, n in sorted(Counter(r.status for r in runs).items()))
        answers = Counter(status for submission in self.submissions for status in submission.statuses)
        figures["answers"] = ", ".join(f"{n} x {status or 'broken'}" for status, n in sorted(answers.items()))
        programs = [program for run in roots for program in all_of(run.input)]
        calls = Counter(step["op"] for program in programs for step in flat(program["steps"]))
        figures["calls asked for"] = ", ".join(f"{calls[op]} {op}" for op in (*CALLS, "agent"))
        again = Counter({op: sum(len(f) - 1 for (of, *_), f in self.arrivals.items() if of == op) for op in CALLS})
        figures["arrivals"] = f"{sum(map(len, self.arrivals.values()))}, again: {dict(again)}"
        self.verdict.blows = dict(self.log.blows)
        figures["blows"] = self.log.blows.total()
        figures["blows by kind"] = ", ".join(f"{n} {kind}" for kind, n in sorted(self.log.blows.items()))
        figures["recovery s"] = self._recovery()
        figures["most attempts"] = max((run.attempt for run in runs), default=0)

    def _recovery(self) -> str:
        """From the end of a holder to the next claim of each of its runs."""
        starts: dict[str, list[tuple[int, float]]] = defaultdict(list)
        hit = {run_id for _, run_id, _ in self.log.hits}
        for run_id, data, instant in Event.objects.filter(type="started").values_list("run_id", "data", "created_at"):
            if run_id in hit:
                starts[run_id].append((data["attempt"], instant.timestamp()))
        waits = []
        for at, run_id, attempt in self.log.hits:
            later = [start for number, start in starts[run_id] if number > attempt]
            if later:
                waits.append(min(later) - at)
                log.info("%s, hit at %.1f in attempt %s: %.1f s", run_id, at, attempt, waits[-1])
        if not waits:
            return "none"
        waits.sort()
        p50, p99 = (waits[min(len(waits) - 1, int(len(waits) * part))] for part in (0.5, 0.99))
        return f"p50 {p50:.1f}, p99 {p99:.1f}, max {waits[-1]:.1f} of {len(waits)}"

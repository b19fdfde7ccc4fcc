"""Why a run stands where it stands, in one sentence for people who wait: `explain` puts loaded facts into words."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from workflows import leases
from workflows.models import Approval, Blocker, Lease, Run, Status
from workflows.why_facts import HEARD_WITHIN_SECONDS, MOST_COUNTED, Facts, load_facts

MOST_ERROR_CHARACTERS = 300
# What a worker is called before those who do not run the platform.
SOME_WORKER = "a worker"


@dataclass(frozen=True, slots=True)
class Why:
    """`code` is for programs, `message` for people; `until`: when that may change by itself."""

    status: str
    code: str
    message: str
    since: datetime
    until: datetime | None
    links: dict[str, str]


def explain_run(run_id: str, user: Any) -> Why:
    """`user`: who asks, which is for the caller to have authorised; None: an operator. Raises Run.DoesNotExist."""
    return explain(load_facts(run_id, user))


def explain(facts: Facts) -> Why:
    code = _code_of(facts)
    message, since, until = _WORDS[code](facts)
    run = facts.run
    return Why(run.status, code, message, since, until, _links(facts, code))


def _code_of(facts: Facts) -> str:
    run, lease = facts.run, facts.lease
    if run.is_finished:
        return Status(run.status).value
    if lease is None:
        return "imported" if run.blocker == Blocker.IMPORTED else "broken"
    due = lease.due_at is not None and lease.due_at <= facts.now
    if lease.holder:
        return "lease_expired" if due else "cancelling" if run.cancel_requested_at else "running"
    if not due:
        return run.blocker or ("broken" if lease.due_at is None else "sleeping")
    if not facts.workers:
        return "no_worker"
    if facts.user_limit and facts.held_by_user >= facts.user_limit:
        return "user_limit"
    if facts.agent_limit and facts.held_by_agent >= facts.agent_limit:
        return "agent_limit"
    return "due"


def _links(facts: Facts, code: str) -> dict[str, str]:
    base = f"/api/runs/{facts.run.pk}"
    links = {"run": base, "events": f"{base}/events"}
    if code == "approval":
        links["approvals"] = f"{base}/approvals"
    if code in ("child", "queued") and facts.others and facts.others[0].shown:
        links["child" if code == "child" else "behind"] = f"/api/runs/{facts.others[0].id}"
    return links


Words = tuple[str, datetime, datetime | None]


def _instant(moment: datetime | None) -> str:
    return "an unknown time" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def _count(number: int, one: str, many: str) -> str:
    if number > MOST_COUNTED:
        return f"more than {MOST_COUNTED} {many}"
    return f"{number or 'no'} {one if number == 1 else many}"


def _lease(facts: Facts) -> Lease:
    if facts.lease is None:
        raise ValueError("a run without a lease is neither held nor due")
    return facts.lease


def _holder(facts: Facts) -> str:
    if not facts.names_workers:
        return SOME_WORKER
    name, worker = _lease(facts).holder, facts.holder
    return f"worker {name}" if worker is None else f"worker {name} (process {worker.pid} of host {worker.host})"


def _running(facts: Facts) -> Words:
    until = _lease(facts).due_at
    message = f"It is being worked on by {_holder(facts)}, which renews its lease and holds it until {_instant(until)}."
    return message, facts.run.started_at or facts.run.created_at, until


def _lease_expired(facts: Facts) -> Words:
    expired = _lease(facts).due_at or facts.now
    silent = expired - timedelta(seconds=leases.LEASE_SECONDS)
    then = "another worker takes the run over as soon as it sweeps" if facts.workers else "and no other worker answers"
    message = f"Nothing was heard of {_holder(facts)} since {_instant(silent)}; its lease has run out, {then}."
    return message, silent, None


def _cancelling(facts: Facts) -> Words:
    asked = facts.run.cancel_requested_at or facts.now
    message = (
        f"It was asked to end at {_instant(asked)}; {_holder(facts)} hears of it within {leases.BEAT_SECONDS:g} s."
    )
    return message, asked, None


def _due(facts: Facts) -> Words:
    ahead, workers = _count(facts.ahead, "other run is", "other runs are"), _count(facts.workers, "worker", "workers")
    message = f"nobody has claimed it yet: {ahead} ahead of it, and {workers} answered within"
    return _since_due(facts, f"{message} {HEARD_WITHIN_SECONDS:g} s.")


def _no_worker(facts: Facts) -> Words:
    return _since_due(facts, f"no worker was heard from within {HEARD_WITHIN_SECONDS:g} s: one has to be started.")


def _user_limit(facts: Facts) -> Words:
    return _limited(facts, "its user", facts.held_by_user, facts.user_limit)


def _agent_limit(facts: Facts) -> Words:
    agent = f"the agent {facts.agent}" if facts.agent else "the agent"
    return _limited(facts, agent, facts.held_by_agent, facts.agent_limit)


def _limited(facts: Facts, who: str, held: int, most: int) -> Words:
    return _since_due(facts, f"{who} has {held} of {most} runs under way at once: it begins when one of them stops.")


def _since_due(facts: Facts, rest: str) -> Words:
    since = _lease(facts).due_at or facts.now
    return f"It has been due since {_instant(since)}, and {rest}", since, None


def _sleeping(facts: Facts) -> Words:
    run, until = facts.run, _lease(facts).due_at
    if run.tries:
        said = _clipped(run.blocker_detail) or "without a word"
        message = f"Try {run.tries} of {run.max_attempts} failed: {said}. The next one is at {_instant(until)}."
    else:
        message = f"It sleeps until {_instant(until)}{_detail(run)}."
    return message, run.updated_at, until


def _other(facts: Facts) -> str:
    first = facts.others[0]
    named = f"run {first.id}" if first.shown else "a run that is not shown to you"
    waits = f" for {Blocker(first.blocker).label}" if first.blocker and first.status == Status.WAITING else ""
    return f"{named}, which is {first.status}{waits}"


def _child(facts: Facts) -> Words:
    if not facts.others:
        return _moving_on(facts, "The run that it called has ended")
    more = f"; it waits for {_count(len(facts.others) - 1, 'other', 'others')} too" if len(facts.others) > 1 else ""
    return f"It called {_other(facts)}{more}.", facts.run.updated_at, _lease(facts).due_at


def _queued(facts: Facts) -> Words:
    if not facts.others:
        return _moving_on(facts, "The run before it on the same subject has ended")
    between = len(facts.others) - 1
    more = f"; {_count(between, 'other run stands', 'other runs stand')} between them" if between else ""
    return f"Its turn comes after {_other(facts)}{more}.", facts.run.updated_at, _lease(facts).due_at


def _approval(facts: Facts) -> Words:
    if not facts.approvals:
        return _moving_on(facts, "The last open question about it was decided")
    first, more = facts.approvals[0], len(facts.approvals) - 1
    expires = min(approval.expires_at for approval in facts.approvals)
    asked = f"asked at {_instant(first.requested_at)}, expires at {_instant(first.expires_at)}"
    others = f"; {_count(more, 'other call waits', 'other calls wait')} too" if more else ""
    why = Approval.Reason(first.reason).label
    message = f"Call {first.effect.call} of {first.effect.name} waits for somebody's approval ({asked}): {why}{others}."
    return message, first.requested_at, expires


def _moving_on(facts: Facts, what: str) -> Words:
    return f"{what}; it goes on as soon as a worker hears of it.", facts.run.updated_at, _lease(facts).due_at


def _blocked(facts: Facts) -> Words:
    until = _lease(facts).due_at
    asks = f"; it looks again at {_instant(until)}" if until else ""
    what = Blocker(facts.run.blocker).label
    return f"It waits for {what}{_detail(facts.run)}{asks}.", facts.run.updated_at, until


def _imported(facts: Facts) -> Words:
    return "It was imported and is not run.", facts.run.created_at, None


def _broken(facts: Facts) -> Words:
    message = "It has neither a lease nor a wake-up nor a blocker, which must not be: `manage.py runs_check` says more."
    return message, facts.run.updated_at, None


def _ended(facts: Facts) -> Words:
    run = facts.run
    at = run.finished_at or run.updated_at
    if run.status != Status.FAILED:
        return f"It was {run.status} at {_instant(at)}.", at, None
    error = run.error if isinstance(run.error, dict) else {}
    code, said = error.get("code") or "no code", _clipped(str(error.get("message") or "no message"))
    return f"It failed at {_instant(at)}: {said} ({code}).", at, None


def _detail(run: Run) -> str:
    return f" ({_clipped(run.blocker_detail)})" if run.blocker_detail else ""


def _clipped(text: str) -> str:
    return text if len(text) <= MOST_ERROR_CHARACTERS else f"{text[:MOST_ERROR_CHARACTERS]}..."


_WORDS: dict[str, Callable[[Facts], Words]] = {
    "running": _running,
    "lease_expired": _lease_expired,
    "cancelling": _cancelling,
    "due": _due,
    "no_worker": _no_worker,
    "user_limit": _user_limit,
    "agent_limit": _agent_limit,
    "sleeping": _sleeping,
    "child": _child,
    "queued": _queued,
    "approval": _approval,
    **{blocker.value: _blocked for blocker in (Blocker.SLOT, Blocker.BUDGET, Blocker.PAUSED, Blocker.SERVER_DOWN)},
    "imported": _imported,
    "broken": _broken,
    **{status.value: _ended for status in (Status.COMPLETED, Status.FAILED, Status.CANCELLED)},
}
CODES = tuple(_WORDS)

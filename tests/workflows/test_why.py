"""Why a run stands where it stands: every state has its own code and its own sentence."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from billing.models import User
from gofannon.lib.clock import DatabaseNow
from tests.factories.runs import make_agent
from workflows import transitions, why
from workflows.models import UNFINISHED, Approval, Blocker, Effect, Lease, Run, Status, Worker
from workflows.why_facts import Facts, Other, load_facts

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
SOON, AGO = NOW + timedelta(seconds=5), NOW - timedelta(seconds=30)
RUN: dict[str, Any] = {"id": "run_1", "kind": "code", "created_at": AGO, "updated_at": AGO, "agent_id": "a1"}
HOLDER = Worker(id="host-7-abc", role="worker", host="host", pid=7)
CALL = Effect(call="c1", name="http.post", arguments={"token": "hush"})
ASKED = Approval(effect=CALL, reason="required", requested_at=AGO, expires_at=SOON)


def waiting(blocker: str, detail: str = "") -> Run:
    return Run(**RUN, status=Status.WAITING, blocker=blocker, blocker_detail=detail)


def ended(status: Status, **fields: Any) -> Run:
    return Run(**RUN, status=status, finished_at=NOW, **fields)


def facts(run: Run, lease: Lease | None = None, **known: Any) -> Facts:
    return Facts(NOW, run, lease, **{"agent": "echo", "workers": 2, "names_workers": True, **known})


PENDING, RUNNING = Run(**RUN, status=Status.PENDING), Run(**RUN, status=Status.RUNNING, started_at=AGO)
TRIED = Run(**RUN, status=Status.WAITING, tries=2, max_attempts=5, blocker_detail="the tool broke")
CANCELLED = Run(**RUN, status=Status.RUNNING, cancel_requested_at=AGO)
HELD, EXPIRED, DUE, LATER = (
    Lease(holder="host-7-abc", due_at=SOON),
    Lease(holder="host-7-abc", due_at=AGO),
    Lease(due_at=AGO),
    Lease(due_at=SOON),
)
AT_THE_AGENTS_LIMIT = {"held_by_user": 1, "user_limit": 2, "held_by_agent": 4, "agent_limit": 4}
TWO = (Other("run_0", "waiting", "approval"), Other("run_00", "pending", "queued"))
FAILURE = {"code": "limit", "message": "too long", "permanent": True}

# code: (facts, what the sentence says, until)
TABLE: dict[str, tuple[Facts, str, datetime | None]] = {
    "running": (facts(RUNNING, HELD, holder=HOLDER), "worker host-7-abc (process 7 of host host), which renews", SOON),
    "lease_expired": (facts(RUNNING, EXPIRED, holder=HOLDER), "since 2026-03-01 11:59:22 UTC; its lease has", None),
    "cancelling": (facts(CANCELLED, HELD), "asked to end at 2026-03-01 11:59:30 UTC; worker host-7-abc hears", None),
    "due": (facts(PENDING, DUE, ahead=3), "3 other runs are ahead of it, and 2 workers answered", None),
    "no_worker": (facts(PENDING, DUE, workers=0), "no worker was heard from within 10 s", None),
    "user_limit": (facts(PENDING, DUE, held_by_user=2, user_limit=2), "its user has 2 of 2 runs under way", None),
    "agent_limit": (facts(PENDING, DUE, **AT_THE_AGENTS_LIMIT), "the agent echo has 4 of 4 runs", None),
    "sleeping": (
        facts(TRIED, LATER),
        "Try 2 of 5 failed: the tool broke. The next one is at 2026",
        SOON,
    ),
    "child": (
        facts(waiting("child"), Lease(), others=TWO),
        "run_0, which is waiting for somebody's approval",
        None,
    ),
    "queued": (facts(waiting("queued"), Lease(), others=TWO), "1 other run stands between them", None),
    "approval": (facts(waiting("approval"), LATER, approvals=(ASKED,)), "Call c1 of http.post waits for some", SOON),
    "slot": (facts(waiting("slot"), Lease()), "waits for a free place in the sandbox", None),
    "budget": (facts(waiting("budget", "0.10 USD are left"), Lease()), "for money (0.10 USD are left)", None),
    "paused": (facts(waiting("paused"), Lease()), "waits for an operator", None),
    "server_down": (
        facts(waiting("server_down", "files"), LATER),
        "answer (files); it looks again at",
        SOON,
    ),
    "imported": (facts(waiting("imported")), "imported and is not run", None),
    "broken": (facts(waiting("")), "must not be", None),
    "completed": (facts(ended(Status.COMPLETED)), "It was completed at 2026-03-01 12:00:00 UTC.", None),
    "failed": (
        facts(ended(Status.FAILED, error=FAILURE)),
        "at 2026-03-01 12:00:00 UTC: too long (limit)",
        None,
    ),
    "cancelled": (facts(ended(Status.CANCELLED)), "It was cancelled at", None),
}


def test_every_code_is_in_the_table_and_every_blocker_has_a_code() -> None:
    assert set(TABLE) == set(why.CODES)
    assert {*Blocker.values} - {""} <= set(why.CODES)
    assert {*Status.values} - set(UNFINISHED) <= set(why.CODES)


@pytest.mark.parametrize("code", TABLE)
def test_a_state_has_its_code_and_its_sentence(code: str) -> None:
    known, said, until = TABLE[code]
    found = why.explain(known)
    assert (found.code, found.status, found.until) == (code, known.run.status, until)
    assert said in found.message
    assert found.message.endswith(".")
    assert "hush" not in found.message


VARIANTS = {
    "a lease that is due with a blocker is due": (facts(waiting("approval"), DUE), "due"),
    "a wait without an end or a name is broken": (facts(waiting(""), Lease()), "broken"),
    "a limit of none holds nobody back": (facts(PENDING, DUE, held_by_user=9), "due"),
    "a cancelled run whose worker is gone waits for another": (facts(CANCELLED, EXPIRED), "lease_expired"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_what_comes_first_decides(name: str) -> None:
    known, code = VARIANTS[name]
    assert why.explain(known).code == code


def test_an_answer_that_came_since_is_told_as_one() -> None:
    for blocker in ("child", "queued", "approval"):
        assert "goes on as soon as" in why.explain(facts(waiting(blocker), Lease())).message


def test_a_sleep_without_a_failure_says_until_when() -> None:
    found = why.explain(facts(waiting("", "handed on"), LATER))
    assert found.message == "It sleeps until 2026-03-01 12:00:05 UTC (handed on)."


def test_a_run_that_is_not_shown_is_neither_named_nor_linked() -> None:
    found = why.explain(facts(waiting("child"), Lease(), others=(Other("run_0", "running", shown=False),)))
    assert "run_0" not in f"{found.message}{found.links}"


def test_an_error_of_another_shape_and_a_long_one_are_told() -> None:
    assert "no message (no code)" in why.explain(facts(ended(Status.FAILED, error="boom"))).message
    long = why.explain(facts(ended(Status.FAILED, error={"code": "x", "message": "y" * 5000}))).message
    assert len(long) < 500


@pytest.fixture
def run(owner: User) -> Run:
    agent = make_agent(owner)
    made = Run(kind="code", actor_id=owner.pk, owner_id=owner.pk, agent_id=agent.pk, subject="s1")
    return transitions.create_run(made)


def another(like: Run, **fields: Any) -> Run:
    kept = {"kind": "code", "actor_id": like.actor_id, "owner_id": like.owner_id, "agent_id": like.agent_id}
    return transitions.create_run(Run(**{**kept, **fields}))


def hear_worker() -> None:
    Worker.objects.create(id="w", role="worker", host="h", pid=1, started_at=DatabaseNow(), heard_at=DatabaseNow())


def told(client: Any, run: Run) -> dict[str, Any]:
    response = client.get(f"/api/runs/{run.pk}/why")
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()
    return body


@pytest.mark.django_db
class TestRead:
    def test_a_new_run_waits_for_a_worker_and_then_for_its_turn(self, api: Any, run: Run) -> None:
        assert told(api, run)["code"] == "no_worker"
        hear_worker()
        found = told(api, another(run))
        assert (found["code"], found["status"], found["until"]) == ("due", "pending", None)
        assert "1 other run is ahead of it, and 1 worker answered" in found["message"]
        assert found["links"]["events"].endswith("/events")

    def test_a_held_run_names_its_worker_to_staff_alone(self, api: Any, as_: Any, run: Run, staff: User) -> None:
        transitions.claim_run(run.pk)
        holder = Lease.objects.get().holder
        Worker.objects.create(
            id=holder, role="worker", host="inner", pid=77, started_at=DatabaseNow(), heard_at=DatabaseNow()
        )
        for code, due in (("running", 5), ("lease_expired", -1)):
            Lease.objects.update(due_at=DatabaseNow(due))
            found, known = told(api, run), told(as_(staff), run)
            assert (found["code"], known["code"]) == (code, code)
            assert f"{holder} (process 77 of host inner)" in known["message"]
            assert "a worker" in found["message"]
            assert not any(name in found["message"] for name in (holder, "77", "inner"))

    def test_a_private_agent_is_named_to_those_who_see_it(
        self, api: Any, as_: Any, run: Run, stranger: User, staff: User, settings: Any
    ) -> None:
        settings.RUNS_PER_USER, settings.RUNS_PER_AGENT = 0, 1
        hear_worker()
        waits = another(run)
        transitions.claim_run(run.pk)
        Run.objects.filter(pk=waits.pk).update(payer=stranger)
        for user_api in (api, as_(staff)):
            assert "and the agent echo has 1 of 1" in told(user_api, waits)["message"]
        assert "and the agent has 1 of 1" in told(as_(stranger), waits)["message"]
        Run.objects.filter(pk=waits.pk).update(deployment_id="door")
        assert "and the agent door has 1 of 1" in told(as_(stranger), waits)["message"]

    def test_limits_are_those_that_claims_keep(self, api: Any, run: Run, settings: Any) -> None:
        hear_worker()
        waits = another(run)
        transitions.claim_run(run.pk)
        settings.RUNS_PER_AGENT = 1
        assert (told(api, waits)["code"], transitions.claim_run(waits.pk)) == ("agent_limit", None)
        assert "the agent echo has 1 of 1" in told(api, waits)["message"]
        settings.RUNS_PER_USER = 1
        assert told(api, waits)["code"] == "user_limit"
        settings.RUNS_PER_AGENT = settings.RUNS_PER_USER = 0
        assert told(api, waits)["code"] == "due"
        assert transitions.claim_run(waits.pk) is not None

    def test_a_queued_run_names_the_one_before_it(self, api: Any, run: Run) -> None:
        transitions.claim_run(run.pk)
        behind = another(run, subject="s1")
        found = told(api, behind)
        assert (found["code"], found["links"]["behind"]) == ("queued", f"/api/runs/{run.pk}")

    def test_an_imported_run_stands_before_nobody(self, api: Any, run: Run) -> None:
        imported = Run(kind="code", subject="s1", status=Status.RUNNING, created_at=NOW - timedelta(days=99))
        transitions.import_run(imported)
        transitions.claim_run(run.pk)
        found = told(api, another(run, subject="s1"))
        assert found["links"]["behind"] == f"/api/runs/{run.pk}"
        assert "between" not in found["message"]

    def test_a_run_that_called_another_names_that(self, api: Any, run: Run) -> None:
        held = transitions.claim_run(run.pk)
        assert held is not None
        child = another(run, parent_id=run.pk)
        Effect.objects.create(run=run, call="1", name="agent", attempt=1, status="dispatched", child=child)
        transitions.suspend_run(held, blocker=Blocker.CHILD)
        found = told(api, run)
        assert (found["code"], found["links"]["child"]) == ("child", f"/api/runs/{child.pk}")
        assert f"run {child.pk}, which is pending" in found["message"]

    def test_a_run_of_others_that_was_called_is_not_named_to_its_callers_owner(
        self, as_: Any, run: Run, stranger: User, viewer: User
    ) -> None:
        held = transitions.claim_run(run.pk)
        assert held is not None
        child = another(run, parent_id=run.pk, actor_id=stranger.pk, owner_id=stranger.pk)
        Effect.objects.create(run=run, call="1", name="agent", attempt=1, status="dispatched", child=child)
        transitions.suspend_run(held, blocker=Blocker.CHILD)
        Run.objects.filter(pk=run.pk).update(payer=viewer)
        assert child.pk not in str(told(as_(viewer), run))

    def test_an_approval_tells_its_call_and_until_when(self, api: Any, run: Run) -> None:
        held = transitions.claim_run(run.pk)
        assert held is not None
        effect = Effect.objects.create(run=run, call="c9", name="mail.send", attempt=1, arguments={"to": "hush"})
        Approval.objects.create(effect=effect, reason="required", expires_at=datetime(2099, 1, 1, tzinfo=UTC))
        transitions.suspend_run(held, seconds=3600, blocker=Blocker.APPROVAL)
        found = told(api, run)
        assert (found["code"], found["until"]) == ("approval", "2099-01-01T00:00:00Z")
        assert found["links"]["approvals"] == f"/api/runs/{run.pk}/approvals"
        assert "c9 of mail.send" in found["message"]
        assert "hush" not in found["message"]

    def test_only_who_sees_the_run_hears_why(self, as_: Any, run: Run, stranger: User, staff: User) -> None:
        url = f"/api/runs/{run.pk}/why"
        assert [as_(user).get(url).status_code for user in (stranger, staff, None)] == [404, 200, 401]

    def test_the_admin_says_the_same(self, run: Run, staff: User) -> None:
        client = Client()
        client.force_login(staff)
        page = client.get(reverse("admin:workflows_run_change", args=[run.pk])).content.decode()
        assert "no worker was heard from within 10 s" in page


@pytest.mark.django_db
@pytest.mark.parametrize("state", ["due", "queued", "child", "approval", "running"])
def test_a_why_costs_the_same_however_much_waits(api: Any, run: Run, state: str) -> None:
    hear_worker()
    costs = []
    for number in (1, 9):
        asked = _in_state(state, run, number)
        with CaptureQueriesContext(connection) as queries:
            assert told(api, asked)["code"] == state
        costs.append(len(queries))
    assert costs[0] == costs[1]
    assert costs[0] <= 6


def _in_state(state: str, run: Run, number: int) -> Run:
    """A run in that state behind, or with, `number` others."""
    if state == "queued":
        return [another(run, subject="s1") for _ in range(number)][-1]
    others = [another(run) for _ in range(number)]
    asked = others[-1]
    if state == "due":
        return asked
    held = transitions.claim_run(asked.pk)
    assert held is not None
    for index in range(number):
        child = another(run, parent_id=asked.pk)
        effect = Effect.objects.create(run=asked, call=str(index), name="agent", attempt=1, child=child)
        Approval.objects.create(effect=effect, reason="required", expires_at=datetime(2099, 1, 1, tzinfo=UTC))
    if state != "running":
        transitions.suspend_run(held, blocker=Blocker(state))
    return asked


@pytest.mark.django_db
def test_facts_carry_no_input_of_the_run(run: Run) -> None:
    assert {"input", "output"} <= load_facts(run.pk, None).run.get_deferred_fields()

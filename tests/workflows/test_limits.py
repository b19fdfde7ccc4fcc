"""Limits: how many runs of one user, and of one agent, are worked on at once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from billing.models import User
from tests.conftest import client_of
from tests.factories.runs import deploy
from tests.workflows.spine import Stage, claimed, crew, in_threads, new_run, overdue, staged, stored, until
from workflows import execution, leases, transitions
from workflows.models import Blocker, Lease, Run, Status


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Its gate is closed: who runs stays until a test opens it."""
    with staged(monkeypatch, open_gate=False) as stage:
        yield stage


@pytest.mark.django_db
class TestPerUser:
    def test_a_run_over_the_limit_is_not_claimed_and_stays_due(self, owner: User, settings: Any) -> None:
        settings.RUNS_PER_USER = 2
        first, second, third = (new_run(owner) for _ in range(3))
        claimed(first), claimed(second)
        assert transitions.claim_run(third.pk) is None
        waiting, lease = stored(third), Lease.objects.get(run=third)
        assert (waiting.status, waiting.attempt, waiting.tries, waiting.seq) == (Status.PENDING, 0, 0, 1)
        assert (lease.holder, lease.attempt) == ("", 0)

    def test_when_one_ends_the_next_goes_on(self, owner: User, settings: Any) -> None:
        settings.RUNS_PER_USER = 1
        first, second = new_run(owner), new_run(owner)
        held = claimed(first)
        assert transitions.claim_run(second.pk) is None
        assert leases.due(10) == []
        transitions.complete_run(held, output=1)
        assert leases.due(10) == [second.pk]
        assert claimed(second).attempt == Lease.objects.get(run=second).attempt == 1

    def test_a_run_that_waits_leaves_its_place_to_others(self, owner: User, settings: Any) -> None:
        settings.RUNS_PER_USER = 1
        held, second = claimed(new_run(owner)), new_run(owner)
        transitions.suspend_run(held, seconds=3600)
        assert claimed(second).pk == second.pk

    def test_a_dead_holder_takes_nobodys_place(self, owner: User, settings: Any) -> None:
        settings.RUNS_PER_USER = 1
        held, second = claimed(new_run(owner)), new_run(owner)
        overdue(held)
        assert leases.due(10) == [held.pk, second.pk]
        assert claimed(second).pk == second.pk
        assert transitions.claim_run(held.pk) is None
        assert stored(held).attempt == Lease.objects.get(run=held).attempt == 1

    def test_everybody_has_a_limit_of_their_own(self, owner: User, stranger: User, settings: Any) -> None:
        settings.RUNS_PER_USER = 1
        mine, yours = [new_run(owner) for _ in range(2)], [new_run(stranger) for _ in range(2)]
        assert [bool(transitions.claim_run(run.pk)) for run in (*mine, *yours)] == [True, False, True, False]
        assert leases.due(10) == []

    def test_called_runs_count_and_wait_until_their_caller_gives_its_place_back(
        self, owner: User, settings: Any
    ) -> None:
        settings.RUNS_PER_USER = 2
        parent = claimed(new_run(owner))
        children = [new_run(owner, parent=parent, depth=1, claim=True) for _ in range(3)]
        assert [child.status for child in children] == [Status.RUNNING, Status.PENDING, Status.PENDING]
        assert leases.due(10) == []
        transitions.suspend_run(parent, blocker=Blocker.CHILD)
        assert set(leases.due(10)) == {child.pk for child in children[1:]}

    def test_nobodys_runs_have_no_limit(self, settings: Any, owner: User) -> None:
        settings.RUNS_PER_USER = 1
        runs = [Run(kind="code") for _ in range(3)]
        assert [transitions.create_run(run, claim=True).status for run in runs] == [Status.RUNNING] * 3

    @pytest.mark.parametrize("limit", [1, 3])
    def test_a_run_held_from_the_start_counts_too(self, owner: User, settings: Any, limit: int) -> None:
        settings.RUNS_PER_USER = limit
        statuses = [new_run(owner, claim=True).status for _ in range(limit + 1)]
        assert statuses == [Status.RUNNING] * limit + [Status.PENDING]

    def test_zero_is_no_limit(self, owner: User, settings: Any) -> None:
        settings.RUNS_PER_USER = settings.RUNS_PER_AGENT = 0
        assert {new_run(owner, claim=True, agent_id="a").status for _ in range(40)} == {Status.RUNNING}
        assert {claimed(new_run(owner, agent_id="a")).status for _ in range(40)} == {Status.RUNNING}


@pytest.mark.django_db
class TestPerAgent:
    def test_all_its_users_share_an_agents_places(self, owner: User, stranger: User, settings: Any) -> None:
        settings.RUNS_PER_AGENT = 2
        runs = [new_run(person, agent_id="a") for person in (owner, stranger, owner)]
        other = new_run(owner, agent_id="b")
        assert [bool(transitions.claim_run(run.pk)) for run in runs] == [True, True, False]
        assert leases.due(10) == [other.pk]
        transitions.complete_run(stored(runs[0]), output=1)
        assert set(leases.due(10)) == {runs[2].pk, other.pk}

    def test_both_limits_hold(self, owner: User, stranger: User, settings: Any) -> None:
        settings.RUNS_PER_USER, settings.RUNS_PER_AGENT = 1, 2
        assert new_run(owner, agent_id="a", claim=True).status == Status.RUNNING
        assert new_run(owner, agent_id="b", claim=True).status == Status.PENDING
        assert new_run(stranger, agent_id="a", claim=True).status == Status.RUNNING

    def test_a_called_run_of_a_full_agent_waits(self, owner: User, stranger: User, settings: Any) -> None:
        settings.RUNS_PER_AGENT = 1
        parent = claimed(new_run(owner, agent_id="caller"))
        assert new_run(stranger, agent_id="callee", claim=True).status == Status.RUNNING
        new_run(owner, agent_id="callee", parent=parent, depth=1)
        assert leases.due(10) == []

    def test_runs_of_no_agent_share_no_places(self, owner: User, settings: Any) -> None:
        settings.RUNS_PER_AGENT = 1
        assert [new_run(owner, claim=True).status for _ in range(2)] == [Status.RUNNING] * 2


@pytest.mark.django_db(transaction=True)
class TestMany:
    @pytest.mark.parametrize("limit", ["RUNS_PER_USER", "RUNS_PER_AGENT"])
    def test_of_threads_that_claim_at_once_no_more_than_the_limit_succeed(
        self, owner: User, settings: Any, limit: str
    ) -> None:
        setattr(settings, limit, 3)
        runs = [new_run(owner, agent_id="a").pk for _ in range(8)]
        won = in_threads(8, lambda number: transitions.claim_run(runs[number]))
        assert sum(run is not None for run in won) == 3
        assert Lease.objects.exclude(holder="").count() == 3

    def test_of_threads_that_begin_at_once_no_more_than_the_limit_run(self, owner: User, settings: Any) -> None:
        settings.RUNS_PER_USER = 3
        made = in_threads(8, lambda number: new_run(owner, claim=True).status)
        assert (made.count(Status.RUNNING), made.count(Status.PENDING)) == (3, 5)

    def test_new_and_waiting_runs_compete_for_the_same_places(self, owner: User, settings: Any) -> None:
        settings.RUNS_PER_USER, settings.RUNS_PER_AGENT = 3, 5
        waiting = [new_run(owner, agent_id="a").pk for _ in range(4)]

        def begin(number: int) -> bool:
            if number < len(waiting):
                return transitions.claim_run(waiting[number]) is not None
            return bool(new_run(owner, agent_id="a", claim=True).status == Status.RUNNING)

        assert sum(in_threads(8, begin)) == 3

    def test_a_crew_works_all_off_and_never_on_more_than_the_limit(
        self, owner: User, stranger: User, settings: Any, stage: Stage
    ) -> None:
        settings.RUNS_PER_USER = 2
        runs = [new_run(person).pk for person in (owner, stranger) for _ in range(6)]
        with crew(8):
            until(lambda: len(stage.inside) == 4)
            assert leases.due(10) == []
            stage.gate.set()
            until(lambda: not Lease.objects.exists())
        assert (sorted(stage.order), stage.most) == (sorted(runs), 4)
        assert Run.objects.filter(status=Status.COMPLETED).count() == 12


@pytest.mark.django_db(transaction=True)
class TestSyncRuns:
    @pytest.fixture(autouse=True)
    def one_at_a_time(self, owner: User, settings: Any) -> None:
        settings.RUNS_PER_USER = 1
        deploy(owner, runtime="monty")

    def test_one_over_the_limit_is_answered_once_the_other_has_ended(self, owner: User) -> None:
        held = new_run(owner, claim=True)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(ask, owner, "wait=60")
            until(lambda: Run.objects.filter(kind="code", status=Status.PENDING).exists())
            transitions.complete_run(held, output=1)
            with crew(1):
                response = asked.result()
        assert (response.status_code, response.json()["output"]) == (200, {"n": 7})

    def test_one_over_the_limit_is_a_ticket_when_the_wait_is_over(self, owner: User, api: APIClient) -> None:
        held = new_run(owner, claim=True)
        response = ask(owner, "wait=1")
        assert (response.status_code, response.json()["status"]) == (202, "pending")
        ticket = response["Location"]
        assert api.get(ticket).json()["status"] == "pending"
        transitions.complete_run(held, output=1)
        execution.advance("")
        assert api.get(ticket).json()["result"]["output"] == {"n": 7}

    def test_within_the_limit_it_is_answered_at_once(self, owner: User) -> None:
        assert [ask(owner, "wait=60").status_code for _ in range(2)] == [200, 200]


def ask(user: User, prefer: str) -> Any:
    try:
        return client_of(user).post("/api/agents/echo/run", {"input": {"n": 7}}, headers={"Prefer": prefer})
    finally:
        connection.close()

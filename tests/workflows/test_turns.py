"""Turns: whose run is claimed next, so that nobody's backlog holds up anybody else."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from billing.models import User
from gofannon.lib import ids
from tests.workflows.spine import KIND, Stage, claimed, crew, new_run, overdue, staged, stored, until
from workflows import execution, leases, transitions
from workflows.models import Blocker, Lease, Run


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with staged(monkeypatch) as stage:
        yield stage


def backlog(user: User, count: int) -> list[str]:
    """The ids of so many waiting runs, as if the user had submitted them one after the other."""
    first = new_run(user)
    start = Lease.objects.get(run=first).turn_at
    rows = [Run(id=ids.new_id("run"), kind=KIND, actor=user, owner=user, payer=user, seq=1) for _ in range(count - 1)]
    Run.objects.bulk_create(rows, batch_size=500)
    turns = [start + timedelta(seconds=leases.TURN_SECONDS * place) for place in range(1, count)]
    Lease.objects.bulk_create(
        (Lease(run=run, due_at=start, lane=user.pk, turn_at=turn_at) for run, turn_at in zip(rows, turns, strict=True)),
        batch_size=500,
    )
    return [first.pk, *(run.pk for run in rows)]


def turn_of(run: Run) -> Any:
    return Lease.objects.get(run=run).turn_at


@pytest.mark.django_db
class TestOrder:
    def test_a_thousand_waiting_runs_of_one_user_do_not_hold_up_another(self, owner: User, stranger: User) -> None:
        mine = backlog(owner, 1000)
        yours = new_run(stranger)
        assert leases.due(3) == [mine[0], yours.pk, mine[1]]

    def test_each_further_run_of_a_user_stands_behind_those_that_wait(self, owner: User) -> None:
        mine = [new_run(owner).pk for _ in range(5)]
        assert leases.due(10) == mine
        turns = list(Lease.objects.order_by("turn_at").values_list("turn_at", flat=True))
        step = timedelta(seconds=leases.TURN_SECONDS)
        assert [after - before for before, after in pairwise(turns)] == [step] * 4

    def test_users_with_backlogs_take_turns(self, owner: User, stranger: User, staff: User) -> None:
        people = (owner, stranger, staff)
        waiting = [[new_run(person).pk for _ in range(4)] for person in people]
        assert leases.due(12) == [runs[place] for place in range(4) for runs in waiting]

    def test_a_woken_run_goes_before_its_users_backlog(self, owner: User) -> None:
        mine = backlog(owner, 20)
        held = claimed(Run(pk=mine[15]))
        transitions.suspend_run(held, blocker=Blocker.APPROVAL)
        with transaction.atomic():
            transitions.wake_run(held.pk)
        assert leases.due(3) == [mine[0], mine[15], mine[1]]

    def test_a_run_that_slept_goes_before_its_users_backlog(self, owner: User) -> None:
        mine = backlog(owner, 20)
        held = claimed(Run(pk=mine[15]))
        transitions.suspend_run(held, seconds=0.0)
        assert leases.due(3) == [mine[0], mine[15], mine[1]]

    def test_sleeping_runs_do_not_push_a_users_new_run_back(self, owner: User) -> None:
        for _ in range(3):
            transitions.suspend_run(claimed(new_run(owner)), seconds=3600)
        transitions.suspend_run(claimed(new_run(owner)), blocker=Blocker.APPROVAL)
        assert turn_of(new_run(owner)) <= timezone.now()

    def test_held_and_queued_runs_do_not_push_a_users_new_run_back(self, owner: User) -> None:
        claimed(new_run(owner, subject="s"))
        for _ in range(3):
            new_run(owner, subject="s")
        assert turn_of(new_run(owner)) <= timezone.now()

    def test_a_run_that_another_called_has_its_turn_at_once(self, owner: User) -> None:
        parent = claimed(new_run(owner))
        mine = backlog(owner, 20)
        child = new_run(owner, parent=parent, depth=1)
        assert leases.due(3) == [mine[0], child.pk, mine[1]]

    def test_called_runs_push_nobody_else_back(self, owner: User, stranger: User) -> None:
        parent = claimed(new_run(owner))
        for _ in range(5):
            new_run(owner, parent=parent, depth=1)
        assert turn_of(new_run(stranger)) <= timezone.now()

    def test_a_backlog_that_is_worked_off_slowly_alternates_with_who_comes_now(
        self, owner: User, stranger: User
    ) -> None:
        mine = backlog(owner, 50)
        # As it stands ten minutes later.
        Lease.objects.update(turn_at=F("turn_at") - timedelta(seconds=600))
        yours = [new_run(stranger).pk for _ in range(2)]
        assert leases.due(5) == [mine[0], yours[0], mine[1], yours[1], mine[2]]

    def test_a_dead_holders_run_keeps_its_place(self, owner: User, stranger: User) -> None:
        mine = backlog(owner, 3)
        held = claimed(Run(pk=mine[0]))
        yours = new_run(stranger)
        overdue(held)
        assert leases.due(3) == [mine[0], yours.pk, mine[1]]

    def test_a_run_that_found_no_place_in_the_sandbox_keeps_its_turn(self, owner: User, stranger: User) -> None:
        mine = backlog(owner, 20)
        for run_id in mine:
            transitions.suspend_run(claimed(Run(pk=run_id)), seconds=0, blocker=Blocker.SLOT)
        yours = new_run(stranger)
        assert leases.due(2) == [mine[0], yours.pk]


@pytest.mark.django_db(transaction=True)
class TestClaiming:
    def test_a_doorbell_takes_the_run_whose_turn_it_is(self, owner: User, stranger: User, stage: Stage) -> None:
        mine = backlog(owner, 30)
        yours = new_run(stranger)
        for _ in range(3):
            execution.advance(mine[29])
        assert stage.order == [mine[0], yours.pk, mine[1]]

    def test_while_one_user_keeps_coming_the_others_backlog_is_worked_off(
        self, owner: User, stranger: User, stage: Stage, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(leases, "TURN_SECONDS", 0.05)
        mine = backlog(owner, 20)
        for _ in range(5000):
            new_run(stranger)
            execution.advance("")
            if mine[-1] in stage.order:
                break
        assert [run_id for run_id in stage.order if run_id in mine] == mine
        assert len(stage.order) > len(mine)

    def test_many_threads_work_off_everybodys_runs_once(self, owner: User, stranger: User, stage: Stage) -> None:
        runs = [new_run(person).pk for person in (owner, stranger) for _ in range(20)]
        with crew(6):
            until(lambda: not Lease.objects.exists())
        assert sorted(stage.order) == sorted(runs)
        assert {stored(Run(pk=run_id)).attempt for run_id in runs} == {1}


@pytest.mark.django_db
class TestQueries:
    @pytest.mark.parametrize("limit", [0, 5])
    @pytest.mark.parametrize("count", [1, 60])
    def test_looking_for_due_runs_is_one_query(
        self, owner: User, settings: Any, django_assert_num_queries: Any, limit: int, count: int
    ) -> None:
        settings.RUNS_PER_USER = settings.RUNS_PER_AGENT = limit
        backlog(owner, count)
        with django_assert_num_queries(1):
            assert len(leases.due(10)) == min(10, count)

    @pytest.mark.parametrize("limit", [0, 5])
    @pytest.mark.parametrize("due", [10, 20_000], ids=["few due", "all due"])
    def test_looking_for_due_runs_reads_no_whole_table(
        self, owner: User, stranger: User, settings: Any, due: int, limit: int
    ) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("SQLite's planner keeps no statistics that would tell few from many")
        settings.RUNS_PER_USER = settings.RUNS_PER_AGENT = limit
        twenty_thousand_leases((owner, stranger), due)
        scanned = whole_tables_read(lambda: leases.due(16))
        assert "workflows_lease" not in scanned

    def test_finding_a_new_runs_turn_reads_no_whole_table(self, owner: User, stranger: User) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("SQLite's planner keeps no statistics that would tell few from many")
        twenty_thousand_leases((owner, stranger), 20_000)
        assert "workflows_lease" not in whole_tables_read(lambda: leases.next_turn(owner.pk))


def twenty_thousand_leases(people: tuple[User, User], due: int) -> None:
    """Leases of the two in turns: so many due, the others asleep. Copies of one run, made by PostgreSQL."""
    model = new_run(people[0])
    columns = ", ".join(f'"{field.column}"' for field in Run._meta.concrete_fields if field.column != "id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO workflows_run (id, {columns}) "
            f"SELECT 'run_' || n, {columns} FROM workflows_run, generate_series(1, 20000) n WHERE id = %s",
            [model.pk],
        )
        cursor.execute(
            "INSERT INTO workflows_lease (run_id, holder, attempt, lane, agent_id, knocks, due_at, turn_at) "
            "SELECT 'run_' || n, '', 0, (%s::text[])[n %% 2 + 1], 'agent' || n %% 100, 0, "
            "now() + CASE WHEN n <= %s THEN interval '-1 second' ELSE interval '1 hour' END, "
            "now() + n * interval '1 second' FROM generate_series(1, 20000) n",
            [[person.pk for person in people], due],
        )
        cursor.execute("ANALYZE workflows_lease")


def whole_tables_read(query: Any) -> set[str]:
    """The tables that PostgreSQL would read from end to end for the queries that `query()` makes, one or two."""
    with CaptureQueriesContext(connection) as captured:
        query()
    assert 1 <= len(captured) <= 2
    scanned: set[str] = set()
    with connection.cursor() as cursor:
        for asked in captured:
            cursor.execute(f"EXPLAIN (FORMAT JSON) {asked['sql']}")
            (plan,) = cursor.fetchone()
            plans = plan if isinstance(plan, list) else json.loads(plan)
            scanned |= set(_scanned(plans[0]["Plan"]))
    return scanned


def _scanned(node: dict[str, Any]) -> Iterator[str]:
    if node["Node Type"] == "Seq Scan":
        yield node["Relation Name"]
    for inner in node.get("Plans", []):
        yield from _scanned(inner)

"""The database goes away for a moment: what a run has done is written once it is back, if its lease still holds."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from django.conf import settings as django_settings
from django.db import DataError, IntegrityError, OperationalError, connection, transaction

from billing.models import User
from gofannon.lib.clock import DatabaseNow
from gofannon.lib.postgresql.base import DatabaseWrapper
from tests import services
from tests.conftest import database_url
from tests.factories.runs import deploy
from tests.workflows.spine import KIND, claimed, code_of, in_threads, new_run, staged, stored, until
from tickets import actions
from workflows import execution, heartbeat, leases, transitions
from workflows.models import Event, Lease, Run, Status
from workflows.runners import RUNNERS, Completed, Control, Result
from workflows.sweeper import Sweeper

pytestmark = pytest.mark.django_db(transaction=True)

RETRYING = "will try again"
on_postgresql = pytest.mark.skipif("connection.vendor != 'postgresql'", reason="SQLite has no such failure")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """SQLite gives up a lock after a twentieth of a second instead of half a minute."""
    if connection.vendor == "sqlite":
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)
        connection.close()
    yield
    monkeypatch.undo()
    connection.close()


class Cut:
    """Takes the database away from this thread, for real, until `mend` is called."""

    def __init__(self) -> None:
        self.locker: sqlite3.Connection | None = None

    def away(self) -> None:
        if connection.vendor == "postgresql":
            backend = backend_of_this_thread()
            in_threads(1, lambda _: terminate("pid = %s", backend))
        else:
            self.locker = sqlite3.connect(connection.settings_dict["NAME"], check_same_thread=False)
            self.locker.execute("BEGIN IMMEDIATE")

    def mend(self) -> None:
        if self.locker is not None:
            self.locker.rollback()
            self.locker.close()
            self.locker = None


@pytest.fixture
def cut() -> Iterator[Cut]:
    cut = Cut()
    yield cut
    cut.mend()


def backend_of_this_thread() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
        return pid


def terminate(which: str, *params: Any) -> int:
    """Ends the connections of this database that `which` names; how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "
            f"WHERE datname = current_database() AND pid <> pg_backend_pid() AND {which}",
            params,
        )
        count: int = cursor.fetchone()[0]
        return count


def is_alive(backend: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [backend])
        return bool(cursor.fetchone()[0])


def write_of(run: Run, tries: list[int], cut: Cut, mended_after: int = 2) -> Callable[[], None]:
    """Completes the run, but the first so many tries find the database away."""

    def write() -> None:
        tries.append(len(tries) + 1)
        if len(tries) == 1 or (connection.vendor == "postgresql" and len(tries) <= mended_after):
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
            cut.away()
        if len(tries) > mended_after:
            cut.mend()
        transitions.complete_run(run, output="done")

    return write


class TestPersist:
    def test_it_writes_once_the_database_is_back(self, owner: User, cut: Cut, caplog: pytest.LogCaptureFixture) -> None:
        run, tries = claimed(new_run(owner)), list[int]()
        execution.persist(Control(run), write_of(run, tries, cut))
        assert (tries, stored(run).status, stored(run).output) == ([1, 2, 3], Status.COMPLETED, "done")
        assert [RETRYING in line for line in caplog.messages if line.startswith(f"run {run.pk}")] == [True, True]
        assert list(Event.objects.order_by("seq").values_list("type", flat=True)) == ["created", "started", "completed"]

    def test_it_gives_up_where_the_lease_is_no_longer_sure(self, owner: User, cut: Cut) -> None:
        run, tries = claimed(new_run(owner)), list[int]()
        control = Control(run)
        control.renewed -= leases.LEASE_SECONDS
        with pytest.raises(leases.LeaseLost):
            execution.persist(control, write_of(run, tries, cut))
        cut.mend()
        assert (tries, stored(run).status) == ([1], Status.RUNNING)

    def test_it_gives_up_when_the_lease_ceases_to_be_sure_meanwhile(self, owner: User, cut: Cut) -> None:
        run, tries = claimed(new_run(owner)), list[int]()
        control = Control(run)
        write = write_of(run, tries, cut, mended_after=1000)

        def later_and_later() -> None:
            if len(tries) == 2:
                control.renewed -= leases.LEASE_SECONDS
            write()

        with pytest.raises(leases.LeaseLost):
            execution.persist(control, later_and_later)
        cut.mend()
        assert (tries, stored(run).status) == ([1, 2, 3], Status.RUNNING)

    def test_it_writes_nothing_for_a_run_that_another_has_by_now(self, owner: User) -> None:
        run = claimed(new_run(owner))
        Run.objects.filter(pk=run.pk).update(attempt=2)
        with pytest.raises(leases.LeaseLost):
            execution.persist(Control(run), lambda: transitions.complete_run(run, output=1))

    @on_postgresql
    def test_inside_a_transaction_it_tries_nothing_again(self, owner: User, cut: Cut) -> None:
        run, tries = claimed(new_run(owner)), list[int]()
        with pytest.raises(OperationalError), transaction.atomic():
            execution.persist(Control(run), write_of(run, tries, cut))
        assert (tries, stored(run).status) == ([1], Status.RUNNING)

    @on_postgresql
    def test_a_process_that_stood_still_within_a_transaction_writes_again(self, owner: User) -> None:
        run, tries = claimed(new_run(owner)), list[int]()

        def write() -> None:
            tries.append(len(tries) + 1)
            with transaction.atomic(), connection.cursor() as cursor:
                if len(tries) == 1:
                    cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 50")
                    backend = backend_of_this_thread()
                    until(lambda: in_threads(1, lambda _: not is_alive(backend))[0])
                transitions.complete_run(run, output="done")

        execution.persist(Control(run), write)
        assert (tries, stored(run).output) == ([1, 2], "done")

    def test_what_is_no_fault_of_the_connection_is_not_tried_again(self, owner: User) -> None:
        run, tries = claimed(new_run(owner)), list[int]()

        def twice() -> None:
            tries.append(1)
            Run.objects.create(id=run.pk, kind=KIND)

        with pytest.raises(IntegrityError):
            execution.persist(Control(run), twice)
        assert len(tries) == 1

    @on_postgresql
    def test_what_cannot_be_stored_is_not_tried_again(self, owner: User) -> None:
        run, tries = claimed(new_run(owner)), list[int]()

        def unstorable() -> None:
            tries.append(1)
            transitions.complete_run(run, output=1, notes=(transitions.Note("told", {"text": "a\x00b"}),))

        with pytest.raises(DataError):
            execution.persist(Control(run), unstorable)
        assert len(tries) == 1


class CutRunner:
    """Loses the database at its very end, after all its work is done."""

    cut: ClassVar[Cut]
    runs: ClassVar[int] = 0

    def run(self, control: Control) -> Result:
        type(self).runs += 1
        assert stored(control.run).status == Status.RUNNING
        self.cut.away()
        return Completed("done")


@pytest.fixture
def cutting(monkeypatch: pytest.MonkeyPatch, cut: Cut) -> str:
    monkeypatch.setitem(RUNNERS, "cutting", f"{__name__}.{CutRunner.__qualname__}")
    monkeypatch.setattr(CutRunner, "cut", cut, raising=False)
    monkeypatch.setattr(CutRunner, "runs", 0)
    return "cutting"


class TestRuns:
    def test_a_run_whose_last_write_fails_is_completed_all_the_same(
        self, owner: User, cutting: str, cut: Cut, caplog: pytest.LogCaptureFixture
    ) -> None:
        run = new_run(owner, kind=cutting)

        def mend() -> None:
            until(lambda: any(RETRYING in line for line in caplog.messages if line.startswith(f"run {run.pk}")))
            cut.mend()

        mender = threading.Thread(target=mend)
        mender.start()
        execution.advance("")
        mender.join()
        assert (stored(run).status, stored(run).output, stored(run).attempt) == (Status.COMPLETED, "done", 1)
        assert (CutRunner.runs, Lease.objects.exists()) == (1, False)

    def test_one_whose_lease_ran_out_meanwhile_is_left_to_the_next(
        self, owner: User, cutting: str, cut: Cut, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run = new_run(owner, kind=cutting)
        with monkeypatch.context() as patch:
            patch.setattr(leases, "MARGIN_SECONDS", leases.LEASE_SECONDS)
            execution.advance("")
        cut.mend()
        assert (stored(run).status, stored(run).attempt) == (Status.RUNNING, 1)
        Lease.objects.update(due_at=DatabaseNow(-1))
        monkeypatch.setitem(RUNNERS, KIND, "tests.workflows.spine.GatedRunner")
        Run.objects.update(kind=KIND)
        with staged(monkeypatch):
            execution.advance("")
        assert (stored(run).status, stored(run).attempt, CutRunner.runs) == (Status.COMPLETED, 2, 1)

    @on_postgresql
    def test_what_cannot_be_stored_fails_the_run(self, owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(RUNNERS, "unstorable", "tests.factories.runners.UnstorableRunner")
        run = new_run(owner, kind="unstorable")
        execution.advance("")
        assert (stored(run).status, code_of(run), stored(run).attempt) == (Status.FAILED, "not_storable", 1)


class TestHeartbeat:
    def test_it_goes_on_renewing_after_a_cut(self, owner: User, caplog: pytest.LogCaptureFixture, cut: Cut) -> None:
        run = claimed(new_run(owner))
        control = Control(run)
        with heartbeat.holding(control):
            thread = next(thread for thread in threading.enumerate() if thread.name == "heartbeat")
            if connection.vendor == "postgresql":
                interrupt_the_beat(run)
            else:
                cut.away()
            until(lambda: any(line.startswith("heartbeat:") for line in caplog.messages))
            cut.mend()
            renewed = control.renewed
            until(lambda: control.renewed > renewed)
            assert (thread.is_alive(), control.lost, control.cancelled.is_set()) == (True, False, False)
            assert leases.renew([run.pk]) == {run.pk}
        assert stored(run).attempt == 1


def interrupt_the_beat(run: Run) -> None:
    """Holds the lease's row until the beat waits for it, then ends the beat's connection."""
    with transaction.atomic():
        Lease.objects.filter(pk=run.pk).update(agent_id="held")
        waits = "wait_event_type = 'Lock' AND query LIKE %s"
        until(lambda: in_threads(1, lambda _: terminate(waits, '%UPDATE "workflows_lease"%'))[0])


@on_postgresql
@pytest.mark.xdist_group("worker")
def test_a_worker_finishes_a_run_though_all_its_connections_are_cut(owner: User) -> None:
    slow = "import time\ndef handler(event):\n    time.sleep(4)\n    return 'slept'"
    deploy(owner, slow, runtime="cpython", limits={"wall_seconds": 120})
    var = Path(django_settings.VAR_DIR)
    with services.valkey(var), services.worker(var, database_url()):
        target = actions.find_target(actor=owner, name="echo")
        run = actions.submit_ticket(actor=owner, target=target, input={}).run
        until(lambda: stored(run).status == Status.RUNNING, seconds=120)
        ended = 0
        while not stored(run).is_finished:
            ended += terminate("query LIKE %s", "%workflows_%")
    assert (stored(run).status, stored(run).output, stored(run).attempt) == (Status.COMPLETED, "slept", 1)
    assert ended > 0


def test_a_sweeper_keeps_its_places_when_a_claim_fails(owner: User) -> None:
    deploy(owner)
    target = actions.find_target(actor=owner, name="echo")
    actions.submit_ticket(actor=owner, target=target, input=1)

    def broken(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and "workflows_lease" in sql:
            raise OperationalError("the server closed the connection")
        return execute(sql, params, many, context)

    sweeper = Sweeper(places=2)
    with connection.execute_wrapper(broken):
        for _ in range(5):
            with pytest.raises(OperationalError):
                sweeper.sweep()
    assert sweeper.sweep() == 1
    sweeper.pool.shutdown()


@on_postgresql
def test_a_pool_whose_connections_were_cut_gives_one_that_answers() -> None:
    pool = {"min_size": 4, "max_size": 4, "timeout": 5}
    options = {**connection.settings_dict["OPTIONS"], "pool": pool, "application_name": "cut off"}
    # As in the settings of a worker: the pool's own check is off.
    settings = {**connection.settings_dict, "OPTIONS": options, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
    pooled = DatabaseWrapper(settings, "pooled")
    try:
        assert pooled.pool is not None
        pooled.pool.open(wait=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cut off'")
            assert cursor.rowcount == 4
        with pooled.cursor() as cursor:
            cursor.execute("SELECT 1")
            assert cursor.fetchone() == (1,)
    finally:
        pooled.close()
        pooled.close_pool()

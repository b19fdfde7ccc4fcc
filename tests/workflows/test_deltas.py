"""Text as it comes: stored in few events, in order, soon, and with an error for who goes on without its run."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from billing.models import User
from tests.gofannon.streaming import held_run, until
from workflows import deltas, transitions
from workflows.deltas import Deltas
from workflows.leases import LeaseLost
from workflows.models import Event, Run
from workflows.transitions import Note

pytestmark = pytest.mark.django_db(transaction=True)
NEVER = 3600.0


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is stored because time has passed."""
    monkeypatch.setattr(deltas, "DELAY_SECONDS", NEVER)


@pytest.fixture
def run(transactional_db: None, owner: User) -> Iterator[Run]:
    yield held_run(owner)
    if connection.vendor == "postgresql":
        until(_alone, "the flusher to give its connection back")


def _alone() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
        )
        return bool(cursor.fetchone()[0] == 0)


def texts(run: Run) -> list[str]:
    return [event.data["text"] for event in Event.objects.filter(run=run, type="delta").order_by("seq")]


def test_pieces_of_a_moment_are_one_event(run: Run, slow: None) -> None:
    with Deltas.of(run) as text:
        for piece in ("The ", "", "hammer ", "fell."):
            text.add(piece)
        assert texts(run) == []
    assert texts(run) == ["The hammer fell."]


def test_a_pause_of_the_source_holds_no_text_back(run: Run) -> None:
    with Deltas.of(run) as text:
        text.add("The ")
        text.add("hammer")
        until(lambda: "".join(texts(run)) == "The hammer", "the text to be stored")
        text.add(" fell.")
        until(lambda: "".join(texts(run)) == "The hammer fell.", "the rest to be stored")


def test_much_text_is_stored_at_once(run: Run, slow: None) -> None:
    with Deltas.of(run) as text:
        for _ in range(deltas.MAX_CHARACTERS):
            text.add("x")
        until(lambda: texts(run) == ["x" * deltas.MAX_CHARACTERS], "the text to be stored")
        text.add("y")
    assert texts(run) == ["x" * deltas.MAX_CHARACTERS, "y"]


def test_the_time_of_what_is_stored_is_not_that_of_what_comes_after(slow: None) -> None:
    stored: list[str] = []
    text = Deltas(stored.append)
    text.add("a")
    text.flush()
    text.add("b")
    text.flush(batch=0)  # what was planned for "a"
    assert stored == ["a"]
    text.close()
    assert stored == ["a", "b"]


def test_a_run_that_is_lost_is_heard_of_by_the_next_piece(run: Run) -> None:
    text = Deltas.of(run)
    Run.objects.filter(pk=run.pk).update(attempt=2)

    def refused() -> bool:
        try:
            text.add("x")
        except LeaseLost:
            return True
        return False

    until(refused, "the loss")
    with pytest.raises(LeaseLost):
        text.close()
    assert texts(run) == []


def test_a_run_that_is_lost_is_heard_of_at_the_end(run: Run, slow: None) -> None:
    text = Deltas.of(run)
    text.add("x")
    Run.objects.filter(pk=run.pk).update(attempt=2)
    with pytest.raises(LeaseLost):
        text.close()


def test_another_error_is_not_hidden_by_one_of_storing(run: Run, slow: None) -> None:
    def fail() -> None:
        with Deltas.of(run) as text:
            text.add("x")
            Run.objects.filter(pk=run.pk).update(attempt=2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()


def test_what_is_closed_takes_nothing(slow: None) -> None:
    stored: list[str] = []
    text = Deltas(stored.append)
    text.close()
    with pytest.raises(ValueError, match="closed"):
        text.add("x")
    assert stored == []


def test_text_and_other_events_share_one_count(run: Run) -> None:
    with Deltas.of(run) as text:
        for number in range(60):
            text.add("x" * 400)
            transitions.append_events(run, [Note("log", {"n": number})])
    transitions.append_events(run, [Note("output", {})])
    events = list(Event.objects.filter(run=run).order_by("seq"))
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert events[-1].type == "output"
    assert "".join(texts(run)) == "x" * 400 * 60


def test_many_threads_lose_no_piece() -> None:
    stored: list[str] = []
    text = Deltas(stored.append)

    def work(name: str) -> None:
        for number in range(500):
            text.add(f"{name}{number};")

    threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    text.close()
    pieces = "".join(stored).split(";")[:-1]
    assert sorted(pieces) == sorted(f"{name}{number}" for name in "abcd" for number in range(500))
    assert [piece for piece in pieces if piece[0] == "a"] == [f"a{number}" for number in range(500)]


def test_one_thread_stores_for_all(transactional_db: Any) -> None:
    stored: list[tuple[str, str]] = []
    many = [Deltas(lambda _: stored.append((threading.current_thread().name, ""))) for _ in range(50)]
    for text in many:
        text.add("x")
    until(lambda: len(stored) == 50, "all to be stored")
    assert {name for name, _ in stored} == {"deltas"}
    assert [thread.name for thread in threading.enumerate()].count("deltas") == 1

import pytest

from agents.sandbox import RuntimeStatus, checks

GOOD, BAD = RuntimeStatus(True, "", {}), RuntimeStatus(False, "no process could be made", {})


class _Checks:
    """Stands in for the look at a runtime; counts, and says what it is told to."""

    def __init__(self) -> None:
        self.answer, self.made = BAD, 0

    def __call__(self, _runtime: str) -> RuntimeStatus:
        self.made += 1
        return self.answer


@pytest.fixture
def look(monkeypatch: pytest.MonkeyPatch) -> _Checks:
    look = _Checks()
    monkeypatch.setattr(checks, "_short_check", look)
    monkeypatch.setattr(checks, "state", checks._State())
    return look


def test_a_failure_is_looked_at_again_after_half_a_minute(look: _Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("agents.sandbox.checks.time.monotonic", lambda: now)
    assert checks.short_check("cpython") is BAD
    look.answer, now = GOOD, 1029.0
    assert checks.short_check("cpython") is BAD
    now = 1030.0
    assert checks.short_check("cpython") is GOOD
    assert look.made == 2


def test_a_success_is_kept(look: _Checks, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("agents.sandbox.checks.time.monotonic", lambda: now)
    look.answer = GOOD
    checks.short_check("monty")
    now = 9000.0
    assert checks.short_check("monty") is GOOD
    assert look.made == 1

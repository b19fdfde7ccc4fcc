"""A short trial of chaos, on the kind of database that the tests run on."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from gofannon.env import BASE_DIR

# A deadline for a machine that is very busy; usually it takes a minute.
MOST_SECONDS = 540
BLOWS = 12

pytestmark = pytest.mark.xdist_group("chaos")


@pytest.fixture(scope="module")
def verdict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    report = tmp_path_factory.mktemp("chaos") / "verdict.json"
    own = {"GOFANNON_VAR", "GOFANNON_ROLE", "DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "TEST_DATABASE_URL"}
    environment = {name: value for name, value in os.environ.items() if name not in own}
    environment |= {
        "CHAOS_SEED": "8",
        "CHAOS_KILLS": str(BLOWS),
        "CHAOS_DATABASE": "postgres" if connection.vendor == "postgresql" else "sqlite",
        "CHAOS_REPORT": str(report),
    }
    process = subprocess.Popen([sys.executable, "-m", "tests.chaos"], cwd=BASE_DIR, env=environment)
    try:
        process.wait(MOST_SECONDS)
        assert report.exists(), f"the trial did not come to its verdict: exit code {process.returncode}"
        yield _read(report)
    finally:
        process.terminate()
        process.wait()


def _read(report: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    return found


def test_blows_fall_while_runs_are_under_way(verdict: dict[str, Any]) -> None:
    blows = verdict["blows"]
    assert sum(blows.values()) >= BLOWS
    assert blows["worker killed"]
    assert blows["web killed"]
    assert verdict["figures"]["submitted"] > 0


def test_nothing_is_lost_repeated_or_wrong(verdict: dict[str, Any]) -> None:
    assert {kind: found for kind, found in verdict["faults"].items() if found} == {}


def test_on_postgresql_connections_are_cut_too(verdict: dict[str, Any]) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no connections to cut")
    assert verdict["blows"]["connections cut"]

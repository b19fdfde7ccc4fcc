"""The apps' names are also those of other packages, and some shortcuts would make the tests prove nothing."""

import importlib
import subprocess
from importlib.metadata import packages_distributions

import pytest

from gofannon.env import BASE_DIR

APPS = ("gofannon", "billing", "agents", "workflows", "tickets", "demos")


@pytest.mark.parametrize("name", APPS)
def test_an_apps_name_is_ours(name: str) -> None:
    assert str(importlib.import_module(name).__file__).startswith(str(BASE_DIR / name))
    assert name not in packages_distributions()


def test_no_task_runs_where_it_was_sent() -> None:
    eager = "always_" + "eager"
    found = subprocess.run(["git", "grep", "-il", eager], cwd=BASE_DIR, capture_output=True, text=True)
    assert found.stdout == ""


def test_no_code_of_users_is_executed_outside_the_sandbox() -> None:
    found = subprocess.run(
        ["git", "grep", "-nE", r"(^|[^.\w])(exec|eval)\(", "--", "*.py", ":!agents/sandbox", ":!tests"],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
    )
    assert found.stdout == ""

import glob
import os
import subprocess

import pytest

from agents.sandbox import Job
from agents.sandbox import cpython as _cpython
from agents.sandbox.spawn import Spawner, ZygoteKeeper

CODE = """
import ctypes, sqlite3, json, os, sys
def handler(event):
    visible = [path for path in sys.path if "packages" in path]
    return [sqlite3.connect(":memory:").execute("select 1").fetchone()[0], os.getuid(), visible]
"""


def _others() -> list[str]:
    """Interpreters of this machine, 3.11 or newer: Debian's own, and what version managers have laid down."""
    found = ["/usr/bin/python3", *glob.glob(os.path.expanduser("~/.pyenv/versions/3.1[1-9].*/bin/python3"))]
    found += glob.glob(os.path.expanduser("~/.local/share/uv/python/*/bin/python3"))
    new_enough = "import sys, sqlite3, ctypes; sys.exit(sys.version_info < (3, 11))"
    return [path for path in found if os.path.exists(path) and not subprocess.call([path, "-c", new_enough])]


@pytest.fixture
def spawner() -> Spawner:
    return Spawner()


@pytest.mark.parametrize("executable", _others())
def test_every_layout_of_an_interpreter_works(cpython: None, spawner: Spawner, executable: str) -> None:
    keeper = ZygoteKeeper(lambda: spawner, executable)
    outcome = _cpython.execute(keeper, Job(CODE, None), lambda call: None, lambda: False)
    keeper.close()
    assert (outcome.output, outcome.error) == ([1, 65534, []], None)

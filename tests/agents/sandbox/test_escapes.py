import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from agents.sandbox import Outcome, SandboxError, selftest
from agents.sandbox.escapes import PRELUDE, TABLES
from tests.agents.sandbox.support import PROJECT, as_plain_user, script


def test_every_escape_is_contained(runtime: str) -> None:
    rows = selftest.run_table(runtime)  # type: ignore[arg-type]
    assert [row for row in rows if row.verdict == "ESCAPED"] == []
    assert len([row for row in rows if row.verdict == "contained"]) >= 40


def _traces() -> dict[str, int]:
    """What lies in the root directory and where attempts write: path -> time of its last change."""
    paths = [f"/{name}" for name in os.listdir("/")] + ["/tmp/escape", "/tmp/e"]
    names = [path for path in paths if os.path.lexists(path) and not os.path.isdir(path)]
    return {path: os.lstat(path).st_mtime_ns for path in names}


def test_the_attempts_leave_nothing_on_the_host(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[str] = []
    targets = selftest.targets

    @contextmanager
    def watched() -> Iterator[dict[str, Any]]:
        with targets() as event:
            yield event
            left.extend(os.listdir(event["directory"]))

    monkeypatch.setattr(selftest, "targets", watched)
    before = _traces()
    selftest.run_table(runtime)  # type: ignore[arg-type]
    assert (_traces(), left) == (before, [])


PLAIN = """
import os
from agents.sandbox import selftest, close
assert os.getuid() != 0
for runtime in ("cpython", "monty"):
    rows = selftest.run_table(runtime)
    print(runtime, [row.name + ": " + row.detail for row in rows if row.verdict == "ESCAPED"])
close()
"""


def test_every_escape_is_contained_for_an_ordinary_user(cpython: None, monty: None) -> None:
    result = script(PLAIN, before=as_plain_user())
    assert (result.stdout, result.stderr) == ("cpython []\nmonty []\n", "")


# Attempts that do no harm and leave nothing behind where nothing holds them.
HARMLESS = """
fork thread_bomb vfork_clone pidfd_open socket_inet socket_udp socket_unix socket_netlink memfd_create inotify
userfaultfd io_uring personality keyctl execve unshare_user timer_create read_passwd list_root read_project
read_own_environment read_maps environment devices sys_files temporary_file subprocess connect_host
connect_abstract write_tmp descriptors sockets see_parents leftover_module change_directory
"""

UNCONFINED = """
import json, sys
source, event = json.loads(sys.stdin.read())
space = {"__name__": "agent"}
exec(compile(source, "<attempt>", "exec"), space)
evidence = space["handler"](event)
print("GOT THROUGH" if evidence else "refused")
"""


@pytest.mark.parametrize("name", HARMLESS.split())
def test_an_attempt_gets_through_where_nothing_holds_it(name: str) -> None:
    [escape] = [escape for escape in TABLES["cpython"] if escape.name == name]
    code = PRELUDE + ("import builtins; builtins.left = 'x'\n" if escape.before else "") + escape.code
    with selftest.targets() as event:
        result = subprocess.run(
            [sys.executable, "-c", UNCONFINED], input=json.dumps([code, event]), cwd=PROJECT,
            capture_output=True, text=True, timeout=30, env={"A": "B"},
        )  # fmt: skip
    # A fork returns in both processes, and a program run in place prints nothing.
    assert "refused" not in result.stdout
    assert "GOT THROUGH" in result.stdout or name in ("execve", "unshare_user")


def test_an_attempt_that_fails_by_itself_proves_nothing() -> None:
    rows = [selftest.judge(TABLES["cpython"][0], outcome) for outcome in _broken()]
    assert [verdict for verdict, _detail in rows] == ["ESCAPED"]


def _broken() -> list[Outcome]:
    error = SandboxError("code_error", "NameError: name 'oops' is not defined")
    return [Outcome(None, error, "", 0.0, 0.0, 0, "cpython")]


def test_the_table_reads_as_text() -> None:
    rows = [selftest.Row("fork", "make a process", "contained", "PermissionError")]
    text = selftest.format_table(rows)
    assert text.splitlines() == [
        "fork  contained       make a process (PermissionError)",
        "1 contained, 0 ESCAPED, 0 not applicable",
    ]

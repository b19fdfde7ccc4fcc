import json
import os
from pathlib import Path

import pytest

from agents import sandbox
from agents.sandbox import RuntimeUnavailable, checks
from tests.agents.sandbox.support import script

GOOD = "def handler(event):\n    return 1"
INHERITS = "class A(Exception): pass\n" + GOOD


def test_auto_takes_cpython_where_it_holds(cpython: None) -> None:
    assert sandbox.choose_runtime(INHERITS, "auto") == "cpython"


@pytest.fixture
def without_cpython(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = sandbox.RuntimeStatus(False, "no user namespaces here", {})
    monkeypatch.setitem(checks.state.short, "cpython", broken)


def test_auto_takes_monty_where_only_that_holds(monty: None, without_cpython: None) -> None:
    assert sandbox.choose_runtime(GOOD, "auto") == "monty"


def test_auto_says_what_is_missing(monty: None, without_cpython: None) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"no user namespaces here; monty: line 1: .* class inheritance"):
        sandbox.choose_runtime(INHERITS, "auto")


def test_a_wanted_runtime_is_never_replaced(without_cpython: None) -> None:
    with pytest.raises(RuntimeUnavailable, match=r"^cpython: no user namespaces here$"):
        sandbox.choose_runtime(GOOD, "cpython")


def test_a_runtime_that_lets_one_escape_is_off(cpython: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(checks.state.escaped, "cpython", ["read_passwd"])
    status = sandbox.status()["cpython"]
    assert (status.available, status.reason) == (False, "the self-test found escapes: read_passwd")
    with pytest.raises(RuntimeUnavailable, match="read_passwd"):
        sandbox.choose_runtime(GOOD, "cpython")


def test_the_tables_verdict_is_kept_for_other_processes(cpython: None, tmp_path: Path) -> None:
    source = f"""
from agents import sandbox
from agents.sandbox import selftest
sandbox.configure(cache_dir={str(tmp_path)!r})
selftest.run_table = lambda runtime: [selftest.Row("a", "b", "contained", "c")]
print(sandbox.verify("cpython").available)
sandbox.close()
"""
    assert script(source).stdout == "True\n"
    assert script(source.replace('[selftest.Row("a", "b", "contained", "c")]', "1 / 0")).stdout == "True\n"
    [key] = [json.loads(path.read_text())["key"] for path in tmp_path.glob("*.json")]
    assert len(key) == 64


def test_a_verdict_of_escapes_is_looked_at_anew_by_the_next_process(cpython: None, tmp_path: Path) -> None:
    source = f"""
from agents import sandbox
from agents.sandbox import selftest
sandbox.configure(cache_dir={str(tmp_path)!r})
selftest.run_table = lambda runtime: [selftest.Row("a", "b", "ESCAPED", "c")]
print(sandbox.verify("cpython").reason)
sandbox.close()
"""
    assert script(source).stdout == "the self-test found escapes: a\n"
    assert script(source.replace("ESCAPED", "contained")).stdout == "\n"


def test_without_user_namespaces_cpython_is_off_not_weaker(cpython: None) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can take user namespaces away in a test")
    source = """
from agents import sandbox
status = sandbox.status()
print(status["cpython"].available, status["cpython"].reason)
print(status["monty"].available, status["monty"].checks["bubblewrap"])
sandbox.close()
"""
    no_namespaces = ["unshare", "-Ur", "sh", "-c", 'echo 0 > /proc/sys/user/max_user_namespaces; exec "$@"', "sh"]
    lines = script(source, before=no_namespaces).stdout.splitlines()
    assert lines[0].startswith("False the sandbox could not start: OSError: [Errno 28] unshare")
    assert lines[1].startswith("True bubblewrap failed")


def test_the_short_check_tells_its_findings(cpython: None) -> None:
    found = sandbox.status()["cpython"].checks
    assert (found["user"], found["network"], found["fork"]) == ("65534", "PermissionError", "PermissionError")
    assert found["escapes"] == "all contained"

"""`make run` as a newcomer meets it: an empty environment, a deep directory, curl; and what it survives."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.processes import role, tree

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 90.0
TEXT = "The hammer fell. The anvil rang."

pytestmark = [
    pytest.mark.xdist_group("make-run"),
    pytest.mark.skipif("DATABASE_URL" in os.environ, reason="starts the platform as it comes, on its own SQLite: once"),
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
    pytest.mark.skipif(sys.platform != "linux", reason="looks at processes in /proc"),
]


def until(condition: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(var: Path, port: int, terminal: int | None = None) -> "subprocess.Popen[str]":
    """What `make run` executes, with next to nothing in its environment."""
    kept = ("HOME", "PATH", "SANDBOX_CACHE_DIR")  # the last spares a self-test of many seconds for every start
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    return subprocess.Popen(
        [sys.executable, "-m", "gofannon.supervisor"],
        cwd=ROOT,
        env={**environment, "GOFANNON_VAR": str(var), "PORT": str(port)},
        stdout=terminal or subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Platform:
    """A running platform whose terminal is a file."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.port = free_port()
        self.terminal = var.parent / "terminal"
        with self.terminal.open("w") as terminal:
            self.process = start(var, self.port, terminal.fileno())
        until(lambda: "Ctrl-C" in self.output or self.process.poll() is not None, f"the greeting in {self.output!r}")

    @property
    def output(self) -> str:
        return self.terminal.read_text()

    def curl(self, method: str, path: str, document: Any = None, *headers: str) -> tuple[int, str, Any]:
        """The status, the head and the document that curl receives with the first start's access key."""
        key = (self.var / "access-key").read_text().strip()
        command = ["curl", "--silent", "--include", "--request", method, f"http://127.0.0.1:{self.port}{path}"]
        for header in (f"Authorization: Bearer {key}", "Content-Type: application/json", *headers):
            command += ["--header", header]
        if document is not None:
            command += ["--data", json.dumps(document)]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        head, _, body = answer.partition("\n\n")
        return int(head.split()[1]), head, json.loads(body)

    def run_as_ticket(self) -> Any:
        """The document of a new ticket of the demo agent, once it has ended."""
        status, head, ticket = self.curl(
            "POST", "/api/agents/word-count/run", {"input": {"text": TEXT}}, "Prefer: respond-async"
        )
        assert status == 202
        location = re.search(r"^location: (\S+)", head, re.IGNORECASE | re.MULTILINE)
        assert location
        assert location[1].endswith(f"/api/tickets/{ticket['ticket_id']}")
        return until(lambda: self._ended(ticket["ticket_id"]), f"the ticket {ticket['ticket_id']}")

    def _ended(self, ticket: str) -> Any:
        status, _, document = self.curl("GET", f"/api/tickets/{ticket}")
        assert status == 200
        return document if document["status"] in ("completed", "failed") else None

    def pid(self, name: str) -> int | None:
        """The supervisor's child in the role `name`."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next((int(child) for child in children if role(int(child)) == name), None)

    def stop(self) -> list[int]:
        """Ctrl-C; the processes that are still there afterwards."""
        everyone = tree(self.process.pid)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=PATIENCE)
        return [pid for pid in everyone if Path(f"/proc/{pid}").exists()]


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with tempfile.TemporaryDirectory(prefix="gofannon-run-") as base:
        var = Path(base) / ("v" * (120 - len(base) - 1))
        platform = Platform(var)
        yield platform
        platform.stop()


def test_the_state_directory_of_this_trial_is_deep(platform: Platform) -> None:
    assert len(str(platform.var)) == 120


def test_the_demo_agent_has_read_the_readme(platform: Platform) -> None:
    assert re.search(r"demo +word-count read README\.md: \d+ words, \d+ sentences, top: \w+ \d+, ", platform.output)


def test_the_address_the_login_and_a_command_are_shown(platform: Platform) -> None:
    assert re.search(rf"http://127\.0\.0\.1:{platform.port}/admin/ +user admin, password \S{{12,}} ", platform.output)
    assert f"curl -s http://127.0.0.1:{platform.port}/api/agents/word-count/run" in platform.output


def test_the_shown_command_works_as_it_stands(platform: Platform) -> None:
    found = re.search(r"try +(curl .*?\}\}')", platform.output, re.DOTALL)
    assert found
    answer = subprocess.run(found[1], shell=True, capture_output=True, text=True, check=True, cwd="/")
    assert json.loads(answer.stdout)["output"]["words"] == 7


def test_a_run_is_answered_in_one_request(platform: Platform) -> None:
    status, _, document = platform.curl("POST", "/api/agents/word-count/run", {"input": {"text": TEXT}})
    assert status == 200
    assert (document["output"]["words"], document["output"]["sentences"]) == (6, 2)


def test_a_run_is_a_ticket_where_the_caller_prefers_it(platform: Platform) -> None:
    document = platform.run_as_ticket()
    assert document["status"] == "completed"
    output = document["result"]["output"]
    assert (output["words"], output["sentences"]) == (6, 2)


@pytest.mark.parametrize("name", ["worker", "web", "beat"])
def test_a_killed_process_comes_back(platform: Platform, name: str) -> None:
    killed = until(lambda: platform.pid(name), name)
    os.kill(killed, signal.SIGKILL)
    until(lambda: platform.pid(name) not in (None, killed), f"another {name}")
    assert platform.run_as_ticket()["status"] == "completed"
    assert f"{name} was ended by SIGKILL; starting it again" in platform.output


def test_a_second_start_on_the_same_state_names_the_first(platform: Platform) -> None:
    second = start(platform.var, free_port())
    output, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode == 1
    assert output == (
        f"gofannon: Gofannon is already running on {platform.var} (process {platform.process.pid}); "
        "stop it, or choose another GOFANNON_VAR\n"
    )


def test_a_taken_port_is_named_with_a_way_out(platform: Platform, tmp_path: Path) -> None:
    second = start(tmp_path / "other", platform.port)
    output, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode == 1
    assert output == (
        f"gofannon: cannot listen on 127.0.0.1 port {platform.port}: address already in use; "
        f"choose another, for example: make run PORT={platform.port + 1}\n"
    )


def test_ctrl_c_leaves_nothing_and_the_next_start_shows_no_password(tmp_path: Path) -> None:
    first = Platform(tmp_path / "var")
    assert first.stop() == []
    assert first.process.returncode == 0
    second = Platform(tmp_path / "var")
    assert "password as before" in second.output
    assert "demo    word-count read README.md" in second.output
    assert second.stop() == []
    assert second.process.returncode == 0

"""The supervisor over trivial commands: it restarts, it waits longer each time, it leaves nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gofannon.supervisor.child import Backoff, Child, Program
from gofannon.supervisor.claims import ClaimError, claim_state, listen

ROOT = Path(__file__).resolve().parents[2]
FOREVER = "echo $$ >> {name}; exec sleep 1000"
Start = Callable[..., "subprocess.Popen[str]"]


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be reaped does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def pids(path: Path) -> list[int]:
    """The process ids that a command has written to `path`, one a line."""
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Start]:
    started: list[subprocess.Popen[str]] = []

    def start(*commands: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.gofannon.supervised", str(tmp_path), *commands],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        with process:
            process.kill()


def test_backoff_doubles_up_to_its_ceiling() -> None:
    backoff = Backoff(first=0.2, ceiling=10.0, healthy=30.0)
    assert [backoff.after(1.0) for _ in range(8)] == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0, 10.0]


def test_backoff_begins_afresh_after_a_healthy_time() -> None:
    backoff = Backoff(first=0.2, ceiling=10.0, healthy=30.0)
    assert [backoff.after(uptime) for uptime in (1.0, 1.0, 30.0, 1.0)] == [0.2, 0.4, 0.2, 0.4]


def test_a_killed_child_is_started_again(supervise: Start, tmp_path: Path) -> None:
    process = supervise(FOREVER.format(name="pids"))
    until(lambda: len(pids(tmp_path / "pids")) == 1)
    os.kill(pids(tmp_path / "pids")[0], signal.SIGKILL)
    until(lambda: len(pids(tmp_path / "pids")) == 2)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    assert output == "c0 was ended by SIGKILL; starting it again in 0.2 s\n"
    assert process.returncode == 0


def test_a_failing_child_shows_the_end_of_its_log(supervise: Start) -> None:
    process = supervise("once:echo the reason; exit 3")
    assert process.stdout
    assert process.stdout.readline() == "c0 ended with exit code 3\n"
    assert process.stdout.readline() == "    the reason\n"


def test_a_child_that_runs_once_is_not_started_again(supervise: Start, tmp_path: Path) -> None:
    process = supervise("once:echo $$ >> once", FOREVER.format(name="other"))
    until(lambda: pids(tmp_path / "once") and pids(tmp_path / "other"))
    os.kill(pids(tmp_path / "other")[0], signal.SIGKILL)
    until(lambda: len(pids(tmp_path / "other")) == 2)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert len(pids(tmp_path / "once")) == 1


def test_stopping_ends_the_last_ones_last(supervise: Start, tmp_path: Path) -> None:
    command = "trap 'echo {name} >> order; exit 0' TERM; echo $$ >> {name}; while :; do sleep 0.05; done"
    process = supervise(*(f"{mode}{command.format(name=name)}" for mode, name in (("last:", "a"), ("", "b"))))
    until(lambda: pids(tmp_path / "a") and pids(tmp_path / "b"))
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert (tmp_path / "order").read_text() == "b\na\n"


def test_stopping_kills_what_refuses_and_what_has_left_its_group(supervise: Start, tmp_path: Path) -> None:
    process = supervise(
        "trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ >> pids; sleep 1000' & echo $$ >> pids; wait; sleep 1000"
    )
    until(lambda: len(pids(tmp_path / "pids")) == 2)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    assert process.returncode == 0
    assert [pid for pid in pids(tmp_path / "pids") if alive(pid)] == []


def test_a_second_request_to_stop_ends_the_grace_period(supervise: Start, tmp_path: Path) -> None:
    process = supervise("trap 'echo asked >> asked' TERM; echo $$ >> pids; while :; do sleep 0.05; done")
    until(lambda: pids(tmp_path / "pids"))
    process.send_signal(signal.SIGINT)
    until((tmp_path / "asked").exists)
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == 0
    assert not alive(pids(tmp_path / "pids")[0])


def test_children_end_with_a_killed_supervisor(supervise: Start, tmp_path: Path) -> None:
    process = supervise(FOREVER.format(name="pids"))
    until(lambda: pids(tmp_path / "pids"))
    process.kill()
    until(lambda: not alive(pids(tmp_path / "pids")[0]))


def test_a_log_is_cut_past_its_limit_and_its_text_kept(tmp_path: Path) -> None:
    child = Child(Program("noisy", ("true",), {}, tmp_path, log=tmp_path / "noisy.log"))
    (tmp_path / "noisy.log").write_text("12345")
    child.rotate_log(limit=5)
    assert (tmp_path / "noisy.log").read_text() == "12345"
    child.rotate_log(limit=4)
    assert (tmp_path / "noisy.log").read_text() == ""
    assert (tmp_path / "noisy.log.1").read_text() == "12345"


def test_a_state_directory_has_one_holder(tmp_path: Path) -> None:
    lock = claim_state(tmp_path)
    with pytest.raises(ClaimError, match=rf"already running on .* \(process {os.getpid()}\)"):
        claim_state(tmp_path)
    os.close(lock)
    os.close(claim_state(tmp_path))


def test_a_taken_port_is_named_with_the_way_to_choose_another() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ClaimError, match=rf"127\.0\.0\.1 port {port}: address already in use.*PORT={port + 1}"):
            listen("127.0.0.1", port)


def test_a_host_that_does_not_exist_is_named() -> None:
    with pytest.raises(ClaimError, match="HOST=no such host"):
        listen("no such host", 8000)


def test_the_listening_socket_is_inherited() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.get_inheritable()
        assert listener.family == socket.AF_INET

import os
import signal
import socket
import subprocess
import sys
import threading

from agents import sandbox
from agents.sandbox import Job
from agents.sandbox.engines import engines
from tests.agents.sandbox.support import PROJECT, run, script, wait_until

PLUS = "def handler(event):\n    return event + 1"
FOREVER = "def handler(event):\n    while True: pass"


def test_a_killed_zygote_is_replaced(cpython: None) -> None:
    before = engines.zygote.get().process
    before.kill()
    before.wait()
    assert run(PLUS, 1).output == 2
    assert engines.zygote.get().process.pid != before.pid


def test_runs_of_a_killed_zygote_are_the_sandboxs_failure(cpython: None) -> None:
    threading.Timer(0.3, engines.zygote.get().process.kill).start()
    error = run(FOREVER).error
    assert error is not None
    assert (error.code, error.permanent) == ("sandbox_failed", False)
    assert run(PLUS, 1).output == 2


START_BOTH = """
import os, sys, threading, time
from agents import sandbox
from agents.sandbox.engines import engines
job = sandbox.Job("import time\\ndef handler(event):\\n    log('on')\\n    while True: pass", None)
started = []
for runtime in ("cpython", "monty"):
    threading.Thread(target=engines.execute, daemon=True,
        args=(runtime, job, started.append, lambda: False)).start()
while len(started) < 2:
    time.sleep(0.02)
print("on", flush=True)
time.sleep(60)
"""


def _descendants(pid: int) -> set[int]:
    found: set[int] = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as listing:
            for child in listing.read().split():
                found |= {int(child)} | _descendants(int(child))
    return found


def _running(pids: set[int]) -> set[int]:
    found = set()
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
                state = stat.read().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            found.add(pid)
    return found


def test_nothing_outlives_a_killed_parent(cpython: None, monty: None) -> None:
    with subprocess.Popen([sys.executable, "-c", START_BOTH], cwd=PROJECT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"on\n"
        children = _descendants(parent.pid)
        assert len(children) >= 4
        parent.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not _running(children), 3)


FORK = """
import os
from agents import sandbox
from agents.sandbox.engines import engines
def run():
    job = sandbox.Job("def handler(event):\\n    return event + 1", 1)
    return engines.execute("cpython", job, print, lambda: False).output
assert run() == 2
first = engines.zygote.get().process.pid
pid = os.fork()
if pid == 0:
    good = run() == 2 and engines.zygote.get().process.pid != first
    engines.close()
    os._exit(0 if good else 1)
assert os.waitpid(pid, 0)[1] == 0
assert run() == 2 and engines.zygote.get().process.pid == first
engines.close()
"""


def test_a_fork_of_the_process_makes_its_own_zygote(cpython: None) -> None:
    result = script(FORK)
    assert (result.returncode, result.stderr) == (0, "")


def test_a_monty_worker_gets_nothing_of_its_parents(monty: None) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    sandbox.close()
    worker = engines.workers().start(Job("", None))
    process = worker.usage.process
    inherited = [os.readlink(entry) for entry in sorted((process / "fd").iterdir())]
    environment = (process / "environ").read_bytes()
    worker.close(reusable=False)
    os.close(read)
    os.close(write)
    assert [name.partition(":")[0] for name in inherited] == ["pipe", "pipe", "/dev/null"]
    assert environment.split(b"\0") in ([b"PWD=/", b""], [b""])


def test_a_run_leaves_no_descriptor_open(runtime: str) -> None:
    run(PLUS, 1, runtime=runtime)
    before = len(os.listdir("/proc/self/fd"))
    for code in (PLUS, "def handler(event):\n    return 1 / 0", "x = 1"):
        run(code, 1, runtime=runtime)
    assert len(os.listdir("/proc/self/fd")) <= before


def test_a_thread_that_ends_takes_no_zygote_along(cpython: None) -> None:
    sandbox.close()
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(run(PLUS, 1).output))
    thread.start()
    thread.join()
    process = engines.zygote.get().process
    assert results == [2]
    assert run(PLUS, 2).output == 3
    assert engines.zygote.get().process is process


def test_the_pool_can_be_closed_and_used_again(runtime: str) -> None:
    sandbox.close()
    job = Job(PLUS, 1)
    assert sandbox.run(job, runtime=runtime, host=lambda call: None).output == 2  # type: ignore[arg-type]


def test_sockets_block_whatever_the_process_gives_new_ones(cpython: None) -> None:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(5)
    try:
        outcome = run("def handler(event):\n    return len([log(n) for n in range(20)])")
    finally:
        socket.setdefaulttimeout(before)
    assert (outcome.error, outcome.output) == (None, 20)

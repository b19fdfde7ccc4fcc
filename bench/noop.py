"""The floor of every queue: a Celery worker of the same settings whose task does nothing.

`celery -A bench.noop worker` is the one end, `python -m bench.noop COUNT` the other; it prints its CPU milliseconds.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from celery import Celery

from bench.processes import cpu_ms
from gofannon import embedded
from gofannon.supervisor.programs import Stack

ROOT = Path(__file__).resolve().parent.parent

app = Celery("noop", broker=os.environ.get("NOOP_BROKER", "memory://"))
app.conf.update(
    task_serializer="json",
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
)


@app.task(name="noop")
def noop(done: str) -> None:
    """Nothing; the last one of a sample leaves the file `done`."""
    if done:
        Path(done).touch()


class Noop:
    """A Valkey and a worker; `sample` sends tasks from a process of their own."""

    def __enter__(self) -> Self:
        self.var = Path(tempfile.mkdtemp(prefix="gofannon-bench-"))
        broker = embedded.valkey_url(self.var).replace("unix://", "redis+socket://")
        self.env = {**os.environ, "NOOP_BROKER": broker, "PYTHONWARNINGS": "ignore"}
        self.valkey = subprocess.Popen(Stack(self.var, "", 1).valkey().command, stdout=subprocess.DEVNULL)
        options = ("--pool", "threads", "--concurrency", "16", "--without-mingle", "--without-gossip")
        command = [sys.executable, "-m", "celery", "-A", "bench.noop", "worker", *options, "--loglevel", "ERROR"]
        self.worker = subprocess.Popen(command, cwd=ROOT, env=self.env, stdout=subprocess.DEVNULL)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in (self.worker, self.valkey):
            process.terminate()
            process.wait()
        shutil.rmtree(embedded.runtime_dir(self.var), ignore_errors=True)
        shutil.rmtree(self.var, ignore_errors=True)

    def sample(self, count: int) -> float:
        """CPU milliseconds of one of `count` tasks: sending it, the broker, the worker."""
        done = self.var / "done"
        before = cpu_ms(self.worker.pid) + cpu_ms(self.valkey.pid)
        command = [sys.executable, "-m", "bench.noop", str(count), str(done)]
        sent = subprocess.run(command, cwd=ROOT, env=self.env, check=True, capture_output=True)
        while not done.exists():
            time.sleep(0.01)
        done.unlink()
        return (cpu_ms(self.worker.pid) + cpu_ms(self.valkey.pid) - before + float(sent.stdout)) / count


def main(count: int, done: str) -> None:
    noop.delay("")  # connects
    began = time.process_time()
    for left in reversed(range(count)):
        noop.delay("" if left else done)
    print((time.process_time() - began) * 1000)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])

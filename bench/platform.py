"""The whole platform on a temporary state directory, and a client of its API."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from bench.processes import cpu_ms, role

ROOT = Path(__file__).resolve().parent.parent


class Platform:
    """`with Platform() as platform:` starts `make run`'s process and waits until it is ready."""

    def __init__(self, var: Path | None = None, **environment: str) -> None:
        self.environment = environment
        self._own = var is None
        self.var = var or Path(tempfile.mkdtemp(prefix="gofannon-bench-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.ready_after = 0.0

    def __enter__(self) -> Self:
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gofannon.supervisor"],
            cwd=ROOT,
            env={
                **os.environ,
                "GOFANNON_VAR": str(self.var),
                "PORT": str(self.port),
                "HOST": "127.0.0.1",
                **self.environment,
            },
            stdout=subprocess.DEVNULL,
        )
        self.client = Client(self.port)
        while not self.client.ready():
            if self.process.poll() is not None or time.monotonic() - began > 120:
                self.process.kill()
                raise RuntimeError(f"the platform did not start; see {self.var / 'log'}")
            time.sleep(0.02)
        self.ready_after = time.monotonic() - began
        self.client.key = (self.var / "access-key").read_text().strip()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        if self._own:
            shutil.rmtree(self.var, ignore_errors=True)

    def settle(self, seconds: float = 5.0) -> None:
        """Let what the start still does (the greeting, the first schedules) come to its end."""
        time.sleep(seconds)

    def runtimes(self) -> list[str]:
        """The sandbox's runtimes that work on this machine; says on stderr which do not."""
        while not (verdicts := self.client.call("GET", "/ready")["sandbox"]):
            time.sleep(0.5)
        for name, verdict in verdicts.items():
            if not verdict["available"]:
                print(f"not measured: {name}: {verdict['reason']}", file=sys.stderr)
        return [name for name, verdict in verdicts.items() if verdict["available"]]

    def cpu_ms(self) -> float:
        return cpu_ms(self.process.pid)

    def pid(self, name: str) -> int:
        """The process that the supervisor started as `name` (web, worker, beat)."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return next(int(child) for child in children if role(int(child)) == name)


class Client:
    """JSON over one kept connection."""

    def __init__(self, port: int) -> None:
        self.key = ""
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._used = 0.0

    def ready(self) -> bool:
        try:
            self._connection.request("GET", "/ready")
            answer = self._connection.getresponse()
            answer.read()
        except OSError:
            self._connection.close()
            return False
        return answer.status == 200

    def call(self, method: str, path: str, document: Any = None, **headers: str) -> Any:
        """The answer's document. Raises RuntimeError where the status is not one of success."""
        if time.monotonic() - self._used > 3:  # the server closes idle connections after 5 seconds
            self._connection.close()
        fields = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **headers}
        self._connection.request(method, path, None if document is None else json.dumps(document), fields)
        answer = self._connection.getresponse()
        text = answer.read()
        self._used = time.monotonic()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]!r}")
        return json.loads(text) if text else None

    def deploy(self, name: str, code: str, runtime: str, **fields: Any) -> str:
        """Create a code agent and deploy it under `name`, which is returned."""
        agent = self.call("POST", "/api/agents", {"name": name, "code": code, "runtime": runtime, **fields})
        self.call("POST", f"/api/agents/{agent['_id']}/deploy", {"name": name})
        return name

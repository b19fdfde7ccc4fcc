"""What the sandbox's tests share: short ways to run code, here and in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from agents import sandbox
from agents.sandbox import HostCall, Job, Limits, Outcome

PROJECT = Path(__file__).parents[3]
TOOLS = ("web.web_search", "web.web_fetch", "files.read")

# Hides what is private in root's home and shows the interpreter that lies there, for this process tree only.
_SHOW_INTERPRETER = """
if ! setpriv --reuid 12345 --regid 12345 --clear-groups test -x "$2"; then
    hold=$(mktemp -d) && mount --bind "$1" "$hold" && mount -t tmpfs -o mode=755 tmpfs /root &&
    mkdir -p "$1" && mount --move "$hold" "$1" || exit 97
fi
shift
exec setpriv --reuid 12345 --regid 12345 --clear-groups "$@"
"""


def echo(call: HostCall) -> Any:
    """A host that answers every call with what it was asked."""
    return {"name": call.name, "arguments": call.arguments}


def run(code: str, event: Any = None, *, runtime: str = "cpython", host: Any = echo, **limits: Any) -> Outcome:
    """Run code with TOOLS; keyword arguments beyond these are limits."""
    job = Job(code, event, Limits(**limits), seed=7, now=1_000_000_000.0, tools=TOOLS)
    return sandbox.run(job, runtime=runtime, host=host)  # type: ignore[arg-type]


def script(source: str, *, before: list[str] | None = None) -> "subprocess.CompletedProcess[str]":
    """Run Python source in a process of its own, in the project's directory, behind the given command."""
    command = [*(before or []), sys.executable, "-B", "-c", source]
    return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=100)


def as_plain_user() -> list[str]:
    """What to put before a command to have an ordinary user run it; empty if we are one."""
    if os.getuid() != 0:
        return []
    return ["unshare", "-m", "sh", "-c", _SHOW_INTERPRETER, "sh", os.path.dirname(sys.base_prefix)]


def wait_until(condition: Any, seconds: float = 5.0) -> bool:
    """Whether a condition came true in time."""
    import time

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False

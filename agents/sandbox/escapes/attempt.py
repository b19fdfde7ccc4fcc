"""What an attempt to escape is: attack code that says what it got hold of.

An attempt is code that runs after PRELUDE and returns a true value (the evidence) if it got through. It counts as
contained if it returns a false value, raises what a refusal raises, or breaks a limit named in `ends`.
"""

from dataclasses import dataclass

from agents.sandbox.specs import ErrorCode, Limits

QUICK = Limits(wall_seconds=20.0, cpu_seconds=1.0, memory_bytes=96 << 20)


@dataclass(frozen=True, slots=True)
class Escape:
    """One attempt. `before` is code run first, as another run; `x86_only` names machines' own tricks."""

    name: str
    attempt: str
    code: str
    ends: tuple[ErrorCode, ...] = ()
    limits: Limits = QUICK
    before: str = ""
    x86_only: bool = False


PRELUDE = """
import ctypes, os, socket, struct, sys
_libc = ctypes.CDLL(None, use_errno=True)
_ARM = os.uname().machine == "aarch64"

def call(x86, arm, *arguments):
    "A raw system call: None if it is refused or unknown; what it returned, or how far else it got."
    number = arm if _ARM else x86
    if number is None:
        return None
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = _libc.syscall(ctypes.c_long(number), *words)
    if result >= 0:
        return ("returned", result)
    errno = ctypes.get_errno()
    return None if errno in (1, 38) else ("reached the kernel", os.strerror(errno))  # EPERM, ENOSYS

def read(path):
    try:
        with open(path, "rb") as handle:
            return repr(handle.read(60)) or "empty"
    except OSError:
        return None

def machine_code(code):
    import mmap
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    return ctypes.CFUNCTYPE(ctypes.c_long)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""


def handler(*lines: str) -> str:
    """An agent's code whose handler has these lines."""
    return "\n".join(["def handler(event):", *(f"    {line}" for line in lines)]) + "\n"

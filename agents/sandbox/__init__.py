"""Executes untrusted Python of agents out of process, in two runtimes behind one interface.

`run(job, host=...)` is all that most callers need; `status()` and `verify()` tell what may run here and why not.
"""

from .checks import choose_runtime, configure, monty_problems, status, verify
from .pool import Pool, close, run
from .source import compile_check
from .specs import (
    JSON,
    LATER,
    RUNTIMES,
    Cancelled,
    ErrorCode,
    Host,
    HostCall,
    HostCallError,
    Job,
    Limits,
    NonDeterminism,
    NoSlot,
    Outcome,
    Place,
    Problem,
    Recorded,
    Runtime,
    RuntimeStatus,
    RuntimeUnavailable,
    SandboxError,
)

__all__ = [
    "JSON",
    "LATER",
    "RUNTIMES",
    "Cancelled",
    "ErrorCode",
    "Host",
    "HostCall",
    "HostCallError",
    "Job",
    "Limits",
    "NoSlot",
    "NonDeterminism",
    "Outcome",
    "Place",
    "Pool",
    "Problem",
    "Recorded",
    "Runtime",
    "RuntimeStatus",
    "RuntimeUnavailable",
    "SandboxError",
    "choose_runtime",
    "close",
    "compile_check",
    "configure",
    "monty_problems",
    "run",
    "status",
    "verify",
]

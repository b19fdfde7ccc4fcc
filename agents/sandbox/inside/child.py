"""One run in its own process: confine it for good, execute the agent's code, report, end."""

import asyncio
import gc
import inspect
import os
import resource
import signal
import sys
import types
from collections.abc import Callable
from typing import Any, NoReturn

from . import calls, chance, clock, confine, frames, reports, seccomp, values

SOCKET, STDOUT, FIRST_FREE = 3, 1, 4
OUT_OF_MEMORY, NOT_CONFINED = 77, 71
_RESERVE_BYTES = 16 << 20

_end = os._exit


class _NoHandler(Exception):
    """The code defines nothing that can be called with an event."""


def confine_run(program: bytes, cpu_seconds: float, memory_bytes: int, base_bytes: int) -> None:
    """Limits, then the filter; from here on nothing can be undone."""
    # SIGPROF ends the process at the fraction of a second; RLIMIT_CPU stands behind it where code handles SIGPROF.
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    confine.limit_resources(cpu_seconds, memory_bytes, base_bytes, _RESERVE_BYTES)
    seccomp.load(program)


def _entry(namespace: dict[str, Any]) -> tuple[Callable[..., Any], int]:
    """The entry point and how many positional arguments it gets: (event) or (event, tools)."""
    entry = namespace.get("handler") or namespace.get("run")
    if not callable(entry):
        raise _NoHandler("define handler(event) or async run(input, tools)")
    name = "handler" if "handler" in namespace else "run"
    try:
        signature = inspect.signature(entry)
    except (TypeError, ValueError):
        return entry, 1
    for count in (2, 1):
        try:
            signature.bind(*range(count))
        except TypeError:
            continue
        return entry, count
    raise _NoHandler(f"{name}{signature} must take (event) or (event, tools)")


def _run_async(host: calls.Calls, awaitable: Callable[[], Any]) -> Any:
    async def drive() -> Any:
        host.attach(asyncio.get_running_loop())
        return await awaitable()

    try:
        return asyncio.run(drive())
    finally:
        host.detach()


def _execute(job: dict[str, Any], host: calls.Calls) -> Any:
    """Run the agent's module and its entry point; what the entry point returns, or any exception."""
    module = types.ModuleType("agent")
    sys.modules["agent"] = module
    namespace = module.__dict__
    names = calls.names_for(host, job["tools"])
    namespace.update(names)
    exec(compile(job["code"], reports.FILE, "exec", dont_inherit=True), namespace)  # noqa: S102 - confined by now
    entry, count = _entry(namespace)
    arguments = (job["event"], names["tools"])[:count]
    if inspect.iscoroutinefunction(entry):
        return _run_async(host, lambda: entry(*arguments))
    result = entry(*arguments)
    return _run_async(host, lambda: result) if inspect.isawaitable(result) else result


def _report(error: BaseException, source: str) -> dict[str, Any]:
    if isinstance(error, values.NotJson):
        return reports.plain(error.code, str(error))
    if isinstance(error, _NoHandler):
        return reports.plain("no_handler", str(error))
    if isinstance(error, SyntaxError) and error.filename == reports.FILE and error.__traceback__ is not None:
        own_compile = error.__traceback__.tb_next is None or error.__traceback__.tb_next.tb_next is None
        if own_compile:
            return reports.syntax_error(error)
    if isinstance(error, MemoryError):
        return reports.failure("memory_limit", error, source)
    if isinstance(error, SystemExit):
        return reports.failure("code_exited", error, source)
    return reports.failure("code_error", error, source)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: S112 - the agent may have put anything there
            continue


def _frame_of(job: dict[str, Any], host: calls.Calls) -> tuple[int, bytes]:
    limit = job["output_bytes"]
    too_large = reports.plain("output_too_large", f"the output exceeds {limit} bytes as JSON")
    output = None
    try:
        output = _execute(job, host)
        body = values.encode(output, "output")
    except MemoryError as error:
        # The reserve is for this report only; the traceback holds what filled the memory.
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        # An output that fits into memory once, but not once more as JSON, is too large first of all.
        report = too_large if values.exceeds(output, limit) else _report(error, job["code"])
        return frames.ERROR, reports.encode(report)
    except BaseException as error:
        return frames.ERROR, reports.encode(_report(error, job["code"]))
    if len(body) > limit:
        return frames.ERROR, reports.encode(too_large)
    return frames.RESULT, body


def main(program: bytes, cpu_seconds: float, memory_bytes: int, base_bytes: int) -> NoReturn:
    """Be the process of one run: descriptors 0-2 and the socket are in place, everything else is closed."""
    try:
        confine_run(program, cpu_seconds, memory_bytes, base_bytes)
        channel = calls.Channel(SOCKET)
        channel.send(frames.READY, b"")
    except BaseException:
        _end(NOT_CONFINED)
    try:
        _kind, job = channel.receive()
        for name in ("stdout", "stderr"):
            setattr(sys, name, open(STDOUT, "w", 1, "utf-8", "backslashreplace", closefd=False))  # noqa: SIM115
        clock.start(job["now"])
        chance.start(job["seed"])
        gc.enable()
        kind, body = _frame_of(job, calls.Calls(channel, job["last_call"], job["last_step"]))
        _flush()
        channel.send(kind, body)
    except MemoryError:
        _end(OUT_OF_MEMORY)
    except BaseException:
        _end(1)
    _end(0)

"""The zygote: a confined interpreter, warm, that forks one process per run and tells how it ended.

Control messages carry frames.START and three descriptors: the run's socket, the pipe for its output, and a socket
for its report. Shutting down the report socket asks for the run's death; frames.USAGE on it is the run's end.
poll() lists the control socket first, so that a number closed while its batch is worked off is no new run's yet.
"""

import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import NoReturn

from . import chance, child, clock, confine, frames, idling, kernel, landlock, seccomp

_FAILED, _STARTED = b"failed: ", b"ready: "

# Imported once so that a run finds them ready, and their shared libraries stay usable though no file of theirs is
# in the sandbox. Those that need a library the machine lacks are left out.
_WARM = """
abc, argparse, array, ast, asyncio, base64, binascii, bisect, bz2, calendar, cmath, collections.abc,
concurrent.futures, contextlib, contextvars, copy, csv, ctypes, dataclasses, datetime, decimal, difflib,
email.message, email.utils, enum, fractions, functools, gzip, hashlib, heapq, hmac, html, html.parser, http,
inspect, io, ipaddress, itertools, json, keyword, locale, logging, lzma, math, mimetypes, numbers, operator,
os, pathlib, pickle, platform, pprint, queue, random, re, secrets, shlex, shutil, sqlite3, ssl, statistics,
string, struct, tempfile, textwrap, threading, time, timeit, tomllib, traceback, types, typing, unicodedata,
urllib.parse, uuid, warnings, weakref, xml.etree.ElementTree, zipfile, zlib, zoneinfo
"""


@dataclass(slots=True)
class _Run:
    pid: int
    ended: int
    report: socket.socket


def _library_directories() -> list[str]:
    """Where the standard library lies: its directory and, in some layouts apart from it, its extension modules."""
    own = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    found = {os.path.realpath(path) for path in sys.path if os.path.isdir(path) and path != own}
    found.add(os.path.realpath(os.path.dirname(os.__file__)))
    return sorted(path for path in found if not any(path.startswith(other + "/") for other in found))


def _foreign_directories(libraries: list[str]) -> list[str]:
    """Installed packages that lie inside the standard library's directory."""
    names = ("site-packages", "dist-packages")
    return [f"{path}/{name}" for path in libraries for name in names if os.path.isdir(f"{path}/{name}")]


def _warm_up() -> None:
    clock.install()
    for name in _WARM.replace(",", " ").split():
        try:
            importlib.import_module(name)
        except ImportError:
            continue
    chance.install()
    idling.install()
    try:  # pthread's exit loads it late, when no file can be opened any more
        ctypes.CDLL("libgcc_s.so.1")
    except OSError:
        return


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as status:
        return int(status.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _forget_wrapper() -> None:
    """Leave the agent's code no names of ours to trip over."""
    own = __name__.rpartition(".")[0]
    for name in [name for name in sys.modules if name == own or name.startswith(own + ".")]:
        del sys.modules[name]
    sys.path[:] = [path for path in sys.path if os.path.isdir(path) and path.startswith(tuple(_library_directories()))]
    sys.path_importer_cache.clear()
    sys.argv, sys.orig_argv = ["agent"], ["agent"]
    os.environ.clear()
    vars(sys.modules["__main__"]).clear()
    vars(sys.modules["__main__"])["__name__"] = "__main__"


class Zygote:
    """The loop of the warm process: starts runs, kills them on request, reports their ends."""

    def __init__(self, control: socket.socket, program: bytes, base_bytes: int) -> None:
        self._control, self._program, self._base = control, program, base_bytes
        self._runs: dict[int, _Run] = {}
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self) -> NoReturn:
        """Work until the control socket closes, which ends this process and with it every run."""
        while True:
            for descriptor, _events in self._poll.poll():
                if descriptor == self._control.fileno():
                    self._start()
                elif descriptor in self._runs:
                    self._attend(descriptor)

    def _start(self) -> None:
        message, descriptors, _flags, _address = socket.recv_fds(self._control, 64, 3)
        if not message:
            os._exit(0)
        if len(message) != frames.START.size or len(descriptors) != 3:
            raise ValueError("a control message of the wrong shape")
        cpu_seconds, memory_bytes = frames.START.unpack(message)
        run_socket, output, report = descriptors
        try:
            pid = os.fork()
        except OSError:
            pid = -1
        if pid == 0:
            self._become(run_socket, output, cpu_seconds, memory_bytes)
        os.close(run_socket)
        os.close(output)
        if pid < 0:
            os.close(report)  # an end without usage: the caller knows that no run was made
            return
        run = _Run(pid, os.pidfd_open(pid), socket.socket(fileno=report))
        for descriptor in (run.ended, report):
            self._runs[descriptor] = run
            self._poll.register(descriptor, select.POLLIN)

    def _become(self, run_socket: int, output: int, cpu_seconds: float, memory_bytes: int) -> NoReturn:
        try:
            # Two steps, for the descriptors may have each other's final numbers.
            first, second = os.dup(run_socket), os.dup(output)
            os.dup2(second, 1)
            os.dup2(second, 2)
            if first != child.SOCKET:
                os.dup2(first, child.SOCKET)
            kernel.close_from(child.FIRST_FREE)
            child.main(self._program, cpu_seconds, memory_bytes, self._base)
        finally:
            os._exit(child.NOT_CONFINED)

    def _attend(self, descriptor: int) -> None:
        run = self._runs[descriptor]
        if descriptor != run.ended:
            os.kill(run.pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
            self._forget(descriptor)
            return
        _pid, status, usage = os.wait4(run.pid, 0)
        with suppress(OSError):  # the caller may have gone away
            run.report.send(frames.USAGE.pack(status, usage.ru_utime, usage.ru_stime, usage.ru_maxrss))
        self._forget(run.report.fileno())
        self._forget(run.ended)
        run.report.close()
        os.close(run.ended)

    def _forget(self, descriptor: int) -> None:
        if self._runs.pop(descriptor, None) is not None:
            self._poll.unregister(descriptor)


def _become_zygote(control: socket.socket, mapped: bool) -> NoReturn:
    program = seccomp.build(kernel.MACHINE)
    _warm_up()
    libraries = _library_directories()
    base_bytes = _address_space()
    confine.build_root(libraries, _foreign_directories(libraries))
    confine.drop_privileges(mapped)
    version = landlock.restrict(libraries)
    _forget_wrapper()
    gc.collect()
    gc.disable()
    gc.freeze()
    control.send(_STARTED + f"landlock {version}, user namespace {mapped}".encode())
    Zygote(control, program, base_bytes).serve()


def main(descriptor: int) -> NoReturn:
    """Confine this interpreter and serve; `descriptor` is the control socket. Failures go over it in words."""
    control = socket.socket(fileno=descriptor)
    try:
        confine.die_with_parent()
        mapped = confine.enter_namespaces()
        pid = os.fork()  # its first process is the pid namespace's init: it cannot be signalled from inside
        if pid == 0:
            confine.die_with_parent()
            _become_zygote(control, mapped)
    except BaseException as error:
        control.send(_FAILED + f"{type(error).__name__}: {error}".encode()[:2000])
        os._exit(1)
    control.close()
    os.waitpid(pid, 0)
    os._exit(0)

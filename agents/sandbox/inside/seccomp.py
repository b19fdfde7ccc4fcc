"""The seccomp filter of agent code: an allow-list in classic BPF, built and loaded without a library.

Reference: Documentation/userspace-api/seccomp_filter.rst of Linux.
"""

import ctypes
import os
import struct

from . import kernel, syscalls

_LOAD, _JEQ, _JSET, _AND, _RETURN = (
    0x20,
    0x15,
    0x45,
    0x54,
    0x06,
)  # BPF_LD|W|ABS, BPF_JMP|JEQ, |JSET, BPF_ALU|AND, BPF_RET
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_AUDIT_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_PR_SET_SECCOMP, _FILTER_MODE = 22, 2

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ANY = 0xFFFFFFFF

# Call -> (argument index, mask, allowed values of argument & mask). All are 32-bit arguments of the kernel.
_RULES: dict[str, list[tuple[int, int, tuple[int, ...]]]] = {
    "open": [(1, _WRITING, (0,))],
    "openat": [(2, _WRITING, (0,))],
    "prlimit64": [(0, _ANY, (0,))],  # the caller itself only
    "socketpair": [(0, _ANY, (1,)), (1, 0xF, (1,))],  # AF_UNIX, SOCK_STREAM: asyncio's wake-up pair
    "ioctl": [(1, _ANY, (0x5421, 0x5451, 0x5450))],  # FIONBIO, FIOCLEX, FIONCLEX
    "fcntl": [(1, _ANY, (0, 1, 2, 3, 4, 1030))],  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
    "madvise": [(2, _ANY, (0, 1, 2, 3, 4, 8, 14, 15))],  # nothing that merges, poisons or populates pages
}

Instruction = tuple[int, int, int, int]  # struct sock_filter: code, jump if true, jump if false, constant


class SeccompUnavailable(Exception):
    """This machine's architecture has no table here."""


def _return(value: int) -> Instruction:
    return (_RETURN, 0, 0, value)


def _guarded(number: int, conditions: list[tuple[int, int, tuple[int, ...]]]) -> list[Instruction]:
    """Instructions that allow one call if every condition holds, refuse it otherwise, skip other calls."""
    body: list[Instruction] = []
    for index, mask, values in conditions:
        body.append((_LOAD, 0, 0, _ARGUMENTS + 8 * index))
        if mask != _ANY:
            body.append((_AND, 0, 0, mask))
        for place, value in enumerate(values):
            body.append((_JEQ, len(values) - place, 0, value))  # a match jumps over the refusal
        body.append(_return(_ERRNO | _EPERM))
    body.append(_return(_ALLOW))
    return [(_JEQ, 0, len(body), number), *body]


def build(machine: str) -> bytes:
    """The filter program for "x86_64" or "aarch64"; raises SeccompUnavailable for other machines."""
    if machine not in _AUDIT_ARCHITECTURE:
        raise SeccompUnavailable(f"no seccomp table for {machine}")
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JEQ, 1, 0, _AUDIT_ARCHITECTURE[machine]),
        _return(_KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        program += [(_JSET, 0, 1, _X32_BIT), _return(_KILL_PROCESS)]
    allowed = syscalls.numbers(machine)
    for name in sorted(allowed.keys() - _RULES.keys(), key=lambda name: name not in ("read", "write", "mmap")):
        program += [(_JEQ, 0, 1, allowed[name]), _return(_ALLOW)]
    for name in sorted(allowed.keys() & _RULES.keys()):
        program += _guarded(allowed[name], _RULES[name])
    for pair in syscalls.ENOSYS_CALLS.values():
        program += [(_JEQ, 0, 1, pair[machine == "aarch64"]), _return(_ERRNO | _ENOSYS)]
    program.append(_return(_ERRNO | _EPERM))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def load(program: bytes) -> None:
    """Put the calling thread under the filter for good; needs no_new_privs. Raises OSError."""
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))  # struct sock_fprog
    buffer = ctypes.create_string_buffer(header, len(header))
    kernel.prctl(_PR_SET_SECCOMP, _FILTER_MODE, ctypes.addressof(buffer))

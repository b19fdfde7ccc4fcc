"""Kernel calls that the standard library does not offer, through ctypes; failures raise OSError with errno."""

import ctypes
import os
import sys

_libc = ctypes.CDLL(None, use_errno=True)

MACHINE = os.uname().machine


def _checked(result: int, what: str) -> int:
    if result == -1:
        errno = ctypes.get_errno()
        raise OSError(errno, f"{what}: {os.strerror(errno)}")
    return result


def syscall(number: int, *arguments: int | bytes | None) -> int:
    """Invoke a raw system call; integers are passed as full machine words, bytes as pointers."""
    words = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return _checked(_libc.syscall(ctypes.c_long(number), *words), f"syscall {number}")


def prctl(option: int, argument: int | ctypes.Array[ctypes.c_char] = 0, pointer: int = 0) -> int:
    """prctl(2); the remaining arguments are zero."""
    second = ctypes.c_ulong(argument) if isinstance(argument, int) else argument
    zero = ctypes.c_ulong(0)
    return _checked(_libc.prctl(option, second, ctypes.c_void_p(pointer), zero, zero), f"prctl {option}")


def unshare(flags: int) -> None:
    """unshare(2)."""
    _checked(_libc.unshare(flags), "unshare")


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2)."""
    raw = [None if text is None else os.fsencode(text) for text in (source, target, kind, data)]
    _checked(_libc.mount(raw[0], raw[1], raw[2], ctypes.c_ulong(flags), raw[3]), f"mount {target}")


def umount_detached(target: str) -> None:
    """umount2(2) with MNT_DETACH."""
    _checked(_libc.umount2(os.fsencode(target), 2), f"umount {target}")


def close_from(first: int) -> None:
    """Close every descriptor >= first."""
    os.closerange(first, os.sysconf("SC_OPEN_MAX") if sys.platform != "linux" else 1 << 20)

"""Landlock: reading the standard library is the only thing files allow; no TCP, no signals or sockets outwards.

Reference: Documentation/userspace-api/landlock.rst of Linux.
"""

import os
import struct

from . import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION_FLAG, _PATH_BENEATH = 1, 1
_READ_FILE, _READ_DIRECTORY = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}


def abi() -> int:
    """The kernel's Landlock version; 0 where it has none."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, _VERSION_FLAG)
    except OSError:
        return 0


def restrict(readable: list[str]) -> int:
    """Restrict this process and its children to reading beneath the given directories; returns the ABI used.

    Does nothing where the kernel has no Landlock (namespaces and seccomp hold alone); raises OSError if it has
    Landlock and the restriction fails.
    """
    version = abi()
    if not version:
        return 0
    network = 3 if version >= 4 else 0  # bind and connect over TCP
    scoped = 3 if version >= 6 else 0  # abstract unix sockets, signals
    attributes = struct.pack("=QQQ", _FILE_RIGHTS[min(version, 5)], network, scoped)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = kernel.syscall(_CREATE_RULESET, attributes, size, 0)
    for directory in readable:
        handle = os.open(directory, os.O_PATH | os.O_CLOEXEC)
        kernel.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", _READ_FILE | _READ_DIRECTORY, handle), 0)
        os.close(handle)
    kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return version

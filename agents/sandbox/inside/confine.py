"""Namespaces, a read-only root with the standard library only, and no privileges, for the zygote."""

import os
import resource
import socket
import struct

from . import kernel

NOBODY = 65534

_NEW_MOUNTS, _NEW_UTS, _NEW_IPC, _NEW_USER, _NEW_PIDS, _NEW_NETWORK, _NEW_CGROUPS = (
    0x20000,
    0x4000000,
    0x8000000,
    0x10000000,
    0x20000000,
    0x40000000,
    0x2000000,
)
_NAMESPACES = _NEW_MOUNTS | _NEW_UTS | _NEW_IPC | _NEW_PIDS | _NEW_NETWORK | _NEW_CGROUPS
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 8, 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_ATTR_READ_ONLY, _ATTR_NOSUID, _ATTR_NODEV = 1, 2, 4
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_SYS_ADMIN = 21
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_SECUREBITS = 1, 4, 24, 28
_PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL = 38, 47, 4
_SECUREBITS_LOCKED = 0xEF  # no root privileges, no fixup on setuid, no raising of ambient ones, all locked
_SIGKILL = 9


def die_with_parent() -> None:
    """Ask for SIGKILL when the thread that started this process ends; a change of uid clears it."""
    kernel.prctl(_PR_SET_PDEATHSIG, _SIGKILL)


def _has_admin_capability() -> bool:
    with open("/proc/self/status", encoding="ascii") as status:
        effective = next(line for line in status if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_SYS_ADMIN & 1)


def _knows_nobody() -> bool:
    """Whether nobody exists in our own user namespace, which may be a container's with few numbers."""
    for kind in ("uid", "gid"):
        with open(f"/proc/self/{kind}_map", encoding="ascii") as table:
            rows = [[int(number) for number in line.split()] for line in table]
        if not any(first <= NOBODY < first + count for first, _outside, count in rows):
            return False
    return True


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as handle:
        handle.write(text)


def enter_namespaces() -> bool:
    """Move to new namespaces (the pid namespace begins with the next child); True if a user namespace was needed."""
    user, group = os.getuid(), os.getgid()
    if user == 0 and _has_admin_capability() and _knows_nobody():
        kernel.unshare(_NAMESPACES)
        return False
    kernel.unshare(_NAMESPACES | _NEW_USER)
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{NOBODY} {user} 1")
    _write("/proc/self/gid_map", f"{NOBODY} {group} 1")
    return True


def build_root(directories: list[str], hidden: list[str]) -> None:
    """Make a root of the given directories at their own paths, with empty ones over `hidden`; all read-only.

    The host's file system is detached, not just out of sight. Needs mount_setattr(2), Linux 5.12.
    """
    # The root is nobody's to enter under a strict umask of the host's.
    os.umask(0o022)
    kernel.mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    # Opened before the cover goes over /tmp, in case the interpreter itself lives there.
    sources = {path: os.open(path, os.O_PATH | os.O_DIRECTORY) for path in directories}
    root = "/tmp"  # noqa: S108 - a mount point every Linux has, covered in our own namespace only
    tmpfs_flags = _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    processes = os.open("/proc/self/fd", os.O_PATH | os.O_DIRECTORY)
    kernel.mount("tmpfs", root, "tmpfs", tmpfs_flags, "size=64k,nr_inodes=256,mode=755")
    for path, handle in sources.items():
        os.makedirs(root + path, mode=0o755, exist_ok=True)
        kernel.mount(f"/proc/self/fd/{handle}", root + path, None, _MS_BIND | _MS_REC)
        os.close(handle)
    os.close(processes)
    for path in hidden:
        kernel.mount("tmpfs", root + path, "tmpfs", tmpfs_flags, "size=4k,nr_inodes=2,mode=555")
    os.chdir(root)
    kernel.syscall(_PIVOT_ROOT[kernel.MACHINE], b".", b".")
    kernel.umount_detached(".")
    os.chdir("/")
    attributes = struct.pack("=QQQQ", _ATTR_READ_ONLY | _ATTR_NOSUID | _ATTR_NODEV, 0, 0, 0)
    kernel.syscall(_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, len(attributes))
    socket.sethostname("sandbox")


def drop_privileges(mapped: bool) -> None:
    """Become nobody without capabilities, for good; `mapped` tells that a user namespace made us nobody already."""
    for capability in range(64):
        try:
            kernel.prctl(_PR_CAPBSET_DROP, capability)
        except OSError:
            break  # the kernel knows no more of them
    kernel.prctl(_PR_SET_SECUREBITS, _SECUREBITS_LOCKED)
    if not mapped:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    kernel.syscall(_CAPSET[kernel.MACHINE], header, bytes(24))
    kernel.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    kernel.prctl(_PR_SET_NO_NEW_PRIVS, 1)
    kernel.prctl(_PR_SET_DUMPABLE, 0)
    die_with_parent()


def limit_resources(cpu_seconds: float, memory_bytes: int, base_bytes: int, reserve_bytes: int) -> None:
    """Set the limits of one run's process.

    Memory counts address space beyond `base_bytes`, that of the warm interpreter; `reserve_bytes` lie between the
    soft and the hard limit, so that running out of memory can still be reported.
    """
    whole_seconds = int(cpu_seconds) + 1
    ceiling = base_bytes + memory_bytes
    for kind, soft, hard in (
        (resource.RLIMIT_AS, ceiling, ceiling + reserve_bytes),
        (resource.RLIMIT_CPU, whole_seconds, whole_seconds),  # at the hard one comes SIGKILL, which nothing handles
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_NPROC, 0, 0),
        (resource.RLIMIT_FSIZE, 0, 0),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
        (resource.RLIMIT_SIGPENDING, 16, 16),
    ):
        resource.setrlimit(kind, (soft, hard))

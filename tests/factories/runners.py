"""Runners for tests: found by their kind like any other."""

from workflows.runners import Completed, Control, Result
from workflows.transitions import Note


class UnstorableRunner:
    """Tells of a text that PostgreSQL cannot hold; counts how often it was run."""

    runs = 0

    def run(self, control: Control) -> Result:
        type(self).runs += 1
        return Completed(1, notes=(Note("told", {"text": "a\x00b"}),))

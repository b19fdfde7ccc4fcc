"""Runners for tests: found by their kind like any other."""

from workflows.runners import Completed, Control, Result


class UnstorableRunner:
    """Ends with a text that PostgreSQL cannot hold; counts how often it was run."""

    runs = 0

    def run(self, control: Control) -> Result:
        type(self).runs += 1
        return Completed({"text": "a\x00b"})

"""`manage.py sandbox_selftest`: the table of escapes, by runtime."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from agents import sandbox
from agents.sandbox import selftest
from agents.sandbox.specs import RUNTIMES


class Command(BaseCommand):
    help = "Tries every known escape in each runtime and prints what became of it; exit code 1 where one escaped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--runtime", choices=RUNTIMES, action="append", help="else all")

    def handle(self, *args: Any, **options: Any) -> None:
        escaped: list[str] = []
        rows: list[selftest.Row] = []
        for runtime in options["runtime"] or RUNTIMES:
            found = sandbox.status()[runtime]
            if not found.available:
                self.stdout.write(f"{runtime} is off: {found.reason}")
                continue
            tried = selftest.run_table(runtime)
            rows += tried
            escaped += selftest.escaped(tried)
        self.stdout.write(selftest.format_table(rows))
        if escaped:
            self.stderr.write(f"not contained: {', '.join(escaped)}")
            raise SystemExit(1)

"""`manage.py runs_check`: whether the runs in the database keep the rules of the run spine."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from workflows import check


class Command(BaseCommand):
    help = "Prints how many unfinished runs were checked and every rule that is broken; exit code 1 where one is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--events", action="store_true", help="count the events of every run, not of the newest")

    def handle(self, *args: Any, **options: Any) -> None:
        checked = check.count_unfinished()
        found = check.violations(events=options["events"])
        for violation in found:
            self.stdout.write(str(violation))
        self.stdout.write(f"{checked} unfinished runs checked, {len(found)} violations")
        if found:
            raise SystemExit(1)

"""`manage.py forget`: deletes what is past its time, as the workers do by themselves once an hour."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from workflows import retention


class Command(BaseCommand):
    help = "Deletes what the RETAIN_ settings call old, and what has expired; prints how much of what."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count, and delete nothing")
        parser.add_argument("--seconds", type=float, default=3600.0, help="when to stop for this time")

    def handle(self, *args: Any, **options: Any) -> None:
        dry = options["dry_run"]
        counts = retention.count_old() if dry else retention.forget_old(seconds=options["seconds"])
        for name, count in counts.items():
            self.stdout.write(f"{name}: {count} {'would be ' if dry else ''}deleted")

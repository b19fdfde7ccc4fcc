"""`manage.py import_documents FILE`: documents in wire shape, `{"<collection>": [document, ...], ...}`."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rest_framework.exceptions import ParseError

from billing.models import User
from gofannon import importing
from gofannon.lib.errors import ApiError
from gofannon.lib.rest.parsers import loads


class Command(BaseCommand):
    help = "Imports documents with their ids; nothing is started. Prints what was refused and what leads nowhere."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--owner", default="admin", help="user name of who owns what names no owner")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = User.objects.filter(username=options["owner"]).first()
        if owner is None:
            raise CommandError(f"there is no user {options['owner']!r}")
        collections = self._read(options["file"])
        done = refused = 0
        for collection in sorted(collections, key=self._order):
            for document in collections[collection]:
                if self._one(owner, collection, document):
                    done += 1
                else:
                    refused += 1
        self.stdout.write(f"{done} imported, {refused} refused")
        if refused:
            raise SystemExit(1)

    def _read(self, path: Path) -> dict[str, list[dict[str, Any]]]:
        try:
            content = loads(path.read_bytes())
        except (OSError, ParseError) as error:
            raise CommandError(f"{path}: {error}") from error
        if not isinstance(content, dict) or not all(isinstance(documents, list) for documents in content.values()):
            raise CommandError(f'{path}: {{"<collection>": [document, ...]}} is expected')
        return content

    def _order(self, collection: str) -> int:
        known = list(importing.SERIALIZERS)
        return known.index(collection) if collection in known else len(known)

    def _one(self, owner: User, collection: str, document: dict[str, Any]) -> bool:
        name = document.get("_id") or document.get("id") if isinstance(document, dict) else "?"
        try:
            found = importing.import_document(actor=owner, collection=collection, document=document)
        except ApiError as refusal:
            self.stderr.write(f"{collection}/{name}: {refusal.path or ''} {refusal.message}")
            return False
        for reference in found.dangling:
            self.stdout.write(f"{collection}/{name}: {reference['path']} leads nowhere: {reference['id']}")
        return True

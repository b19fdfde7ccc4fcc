"""`manage.py bootstrap`: an administrator, an access key in a file, and the demo agent. Safe to repeat."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from agents import actions
from agents.models import Agent, Deployment
from billing import documents
from billing.actions import create_access_key
from billing.models import AccessKey, User
from billing.models.access_key import SCOPES
from gofannon import demo_agent

ADMIN = "admin"


class Command(BaseCommand):
    help = "Makes what a fresh installation needs; what is there already stays as it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one line of JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        with transaction.atomic():
            admin, password = ensure_admin()
            key_file = ensure_access_key(admin)
            ensure_demo_agent(admin)
        found = {"admin_username": admin.username, "admin_password": password, "access_key_file": str(key_file)}
        if options["json"]:
            self.stdout.write(json.dumps(found))
            return
        shown = f"password {password} (shown once)" if password else "its password was shown when it was made"
        self.stdout.write(f"admin login: {admin.username}, {shown}\naccess key: {key_file}")


def ensure_admin() -> tuple[User, str | None]:
    """The first superuser, made with a random password where there is none; the password only when made."""
    admin = User.objects.filter(is_superuser=True, is_active=True).order_by("created_at").first()
    if admin is not None:
        return admin, None
    password = secrets.token_urlsafe(12)
    return User.objects.create_superuser(ADMIN, password, display_name="Administrator"), password


def ensure_access_key(admin: User) -> Path:
    """`access-key` (0600) in the state directory: replaced where it is missing or no longer opens anything."""
    path = settings.VAR_DIR / "access-key"
    if path.exists():
        digest = AccessKey.digest_of(path.read_text(encoding="utf-8").strip())
        if AccessKey.objects.filter(digest=digest, revoked_at=None).exists():
            return path
    _, secret = create_access_key(user=admin, name="bootstrap", scopes=list(SCOPES))
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(secret + "\n")
    return path


def ensure_demo_agent(admin: User) -> Deployment:
    """The demo agent under its name, with the code of this version."""
    found = Deployment.objects.filter(pk=demo_agent.NAME).first()
    agent = Agent.objects.for_wire().filter(owner=admin, name=demo_agent.NAME).first()
    if agent is None:
        values = {**demo_agent.DEFINITION, "visibility": "public"}
        agent = documents.create_document(actor=admin, model=Agent, values=values)
    if found is None:
        found = actions.deploy_agent(actor=admin, agent=agent, name=demo_agent.NAME, visibility="public")
    return found

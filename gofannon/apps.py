from django.apps import AppConfig
from django.conf import settings

from agents import sandbox
from gofannon.celery import app as celery_app
from gofannon.lib import http


class GofannonConfig(AppConfig):
    """Holds the management commands that need every app."""

    name = "gofannon"
    celery = celery_app  # loaded with Django, so that tasks rung from any process go to its broker

    def ready(self) -> None:
        sandbox.configure(cache_dir=settings.SANDBOX_CACHE_DIR)
        http.configure(lambda: http.Policy.of(settings.OUTBOUND_ALLOW, settings.OUTBOUND_TIMEOUT_SECONDS))

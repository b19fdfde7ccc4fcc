from django.apps import AppConfig
from django.conf import settings

from agents import sandbox


class GofannonConfig(AppConfig):
    """Holds the management commands that need every app."""

    name = "gofannon"

    def ready(self) -> None:
        sandbox.configure(cache_dir=settings.SANDBOX_CACHE_DIR)

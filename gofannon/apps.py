from django.apps import AppConfig


class GofannonConfig(AppConfig):
    """Holds the management commands that need every app."""

    name = "gofannon"

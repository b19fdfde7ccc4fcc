"""The composition root: settings, URLs, processes. It alone knows every app."""

from gofannon.celery import app as celery_app

__all__ = ["celery_app"]

"""The Celery application. `celery -A gofannon worker` and `celery -A gofannon beat` start here."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gofannon.settings")

app = Celery("gofannon")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["workflows"], related_name="worker", force=False)

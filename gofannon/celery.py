"""The Celery application. `celery -A gofannon worker` and `celery -A gofannon beat` start here."""

import os

from celery import Celery
from kombu.transport import redis

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gofannon.settings")

app = Celery("gofannon")
app.config_from_object("django.conf:settings", namespace="CELERY")
# What was not begun is in the database.
redis.QoS.restore_at_shutdown = False
app.autodiscover_tasks()
app.autodiscover_tasks(["workflows"], related_name="worker", force=False)

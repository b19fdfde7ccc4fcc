"""The Celery application. `celery -A gofannon worker` and `celery -A gofannon beat` start here."""

import os
from typing import Any

from celery import Celery
from kombu.transport import redis

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gofannon.settings")


class DoorbellQoS(redis.QoS):
    """A doorbell that is lost costs two seconds; one that is kept too dearly costs a worker."""

    # What was not begun is in the database.
    restore_at_shutdown = False

    def ack(self, delivery_tag: Any) -> None:
        """Nothing where its connection is gone: kombu takes that for a fault of the worker, which then ends."""
        connection = self.channel.connection
        if connection is not None and connection.client is not None:
            super().ack(delivery_tag)


redis.Channel.QoS = DoorbellQoS
app = Celery("gofannon")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["workflows"], related_name="worker", force=False)

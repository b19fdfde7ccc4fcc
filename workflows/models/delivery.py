"""Deliveries: what a webhook is told, until its receiver has heard it."""

import socket
from ipaddress import IPv4Address, ip_address

import httpx
from django.db import models
from django.utils import timezone

from gofannon.lib import ids
from gofannon.lib.http.addresses import innermost
from workflows.models.run import Run

MOST_HOST_CHARACTERS = 255


def host_of(url: str) -> str:
    """The host that a request to `url` goes to, however the address spells it: without port, user and final dot, in
    lower case, IDNA, numbers as addresses. "" where no request can go.

    A name too long for DNS is cut: nothing answers to it.
    """
    try:
        host = httpx.URL(url).raw_host.decode("ascii").lower().rstrip(".")
    except (httpx.InvalidURL, TypeError, ValueError):
        return ""
    try:
        return str(innermost(ip_address(host)))
    except ValueError:
        pass
    try:  # 127.1, 0x7f000001, ...: as the system reads them when it looks up a name
        return str(IPv4Address(socket.inet_aton(host)))
    except OSError:
        return host[:MOST_HOST_CHARACTERS]


class Delivery(models.Model):
    """At least once: sent again with backoff until the receiver answers 2xx, or `failed` after the last try."""

    HISTORY = True

    class Status(models.TextChoices):
        PENDING = "pending", "pending: will be sent when it is due"
        DELIVERED = "delivered", "delivered: the receiver answered 2xx"
        FAILED = "failed", "failed: given up"

    id = models.CharField(primary_key=True, max_length=ids.MAX_LENGTH, editable=False)
    run = models.ForeignKey(Run, models.CASCADE, related_name="deliveries")
    url = models.URLField(max_length=2000)
    host = models.CharField(max_length=MOST_HOST_CHARACTERS, blank=True, editable=False, help_text="that of the URL")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(null=True, default=timezone.now, help_text="when it is sent next")
    log = models.JSONField(default=list, help_text="of each try: at, status or error")
    replay_of = models.ForeignKey("self", models.DO_NOTHING, null=True, related_name="+", db_constraint=False)
    created_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["due_at"], name="delivery_due", condition=models.Q(status="pending")),
            models.Index(fields=["created_at", "id"], name="delivery_created"),
        ]

    def __str__(self) -> str:
        return f"{self.id} to {self.url}"

    def save(self, *args: object, **kwargs: object) -> None:
        self.id = self.id or ids.new_id("delivery")
        self.host = host_of(self.url)
        super().save(*args, **kwargs)  # type: ignore[arg-type]

"""Signatures by the Standard Webhooks specification. The one place that opens webhook secrets."""

import base64
import hashlib
import hmac

from django.utils import timezone

from billing.models import WebhookSecret
from billing.models.webhook_secret import PREFIX
from gofannon.lib import crypto
from gofannon.lib.sealed import Sealed


def signed_headers(*, message_id: str, timestamp: int, body: bytes, secret: WebhookSecret) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp` (Unix seconds) and `webhook-signature`.

    For OVERLAP after a rotation there are two signatures, the new secret's first. Raises WrongKeyError where
    ENCRYPTION_KEYS no longer open the secret.
    """
    keys = [secret.value]
    if secret.previous is not None and secret.previous_until is not None and secret.previous_until > timezone.now():
        keys.append(secret.previous)
    signed = f"{message_id}.{timestamp}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(key, signed) for key in keys),
    }


def _signature(key: Sealed, signed: bytes) -> str:
    secret = base64.b64decode(crypto.reveal(key).removeprefix(PREFIX))
    return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()

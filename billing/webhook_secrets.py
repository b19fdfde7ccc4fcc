"""Users' webhook secrets: made at the first delivery or when they are asked for, rotated, forgotten."""

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from billing.models import User, WebhookSecret
from billing.models.webhook_secret import OVERLAP
from gofannon.lib import sealed
from gofannon.lib.errors import NotFound


def ensure_secret(*, user_id: str) -> WebhookSecret:
    """The user's secret; where there is none, one is made that nobody has seen: a rotation shows the next."""
    known = WebhookSecret.objects.filter(pk=user_id).first()
    if known is not None:
        return known
    return WebhookSecret.objects.get_or_create(pk=user_id, defaults=_columns(WebhookSecret.make()))[0]


def rotate_secret(*, user: User) -> tuple[WebhookSecret, str]:
    """(the user's new secret, its text, which is told nowhere else).

    The one before it signs beside it for OVERLAP; one before that no longer does.
    """
    text = WebhookSecret.make()
    # One UPDATE: of two rotations at once, the later one's predecessor is the other.
    before = {"previous": F("value"), "previous_until": timezone.now() + OVERLAP}
    with transaction.atomic():
        if not WebhookSecret.objects.filter(pk=user.pk).update(**_columns(text), **before):
            try:
                with transaction.atomic():
                    WebhookSecret.objects.create(pk=user.pk, **_columns(text))
            except IntegrityError:  # somebody else has just made one
                WebhookSecret.objects.filter(pk=user.pk).update(**_columns(text), **before)
        secret = WebhookSecret.objects.get(pk=user.pk)
    return secret, text


def delete_secret(*, user: User) -> None:
    """Forgets the secret, and the one before it, at once. Raises NotFound where there is none."""
    if not WebhookSecret.objects.filter(pk=user.pk).delete()[0]:
        raise NotFound("there is no webhook secret")


def _columns(text: str) -> dict[str, object]:
    return {"value": sealed.seal(text), "hint": sealed.mask(text), "created_at": timezone.now()}

"""`Idempotency-Key`: a POST that is sent twice makes one document.

The key's row is inserted in the transaction that makes the document; the second caller gets that document rendered
anew. A key is unique by (user, method, path, key) and kept 24 h.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.request import Request

from billing.models import IdempotencyKey
from gofannon.lib.errors import ApiError
from gofannon.lib.rest.errors import is_unique_violation

D = TypeVar("D")
KEPT = timedelta(hours=24)


def replayed(request: Request, find: Callable[[str], D | None]) -> D | None:
    """What an earlier POST with this key made, before anything else is looked at; None where there is none."""
    key = request.headers.get("Idempotency-Key")
    return _replay(*_identity(request, key), find) if key is not None else None


def once(request: Request, make: Callable[[], D], find: Callable[[str], D | None]) -> tuple[D, bool]:
    """(the document, whether this call made it). `make` stores all or nothing; `find` gets a document by its id.

    Raises ApiError 400 for a bad key, 422 `idempotency_mismatch` for a key that came with another body.
    """
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return make(), True
    identity, body_hash = _identity(request, key)
    known = _replay(identity, body_hash, find)
    if known is not None:
        return known, False
    try:
        with transaction.atomic():
            row = IdempotencyKey.objects.create(**identity, body_hash=body_hash)
            document: Any = make()
            IdempotencyKey.objects.filter(pk=row.pk).update(document_id=document.pk)
        return document, True
    except IntegrityError as error:
        if not is_unique_violation(error):
            raise
        known = _replay(identity, body_hash, find)
        if known is None:
            raise
        return known, False


def _identity(request: Request, key: str) -> tuple[dict[str, Any], str]:
    """(what the key is unique by, the hash of the body)."""
    if not 1 <= len(key) <= 255 or not key.isprintable() or not key.isascii():
        raise ApiError("a key of 1 to 255 printable ASCII characters", code="invalid", path="Idempotency-Key")
    identity = {"user_id": request.user.pk, "method": request.method, "path": request.path[:500], "key": key}
    # Keyed, because a body may hold a secret that is short enough to guess.
    return identity, salted_hmac("idempotency", request._request.body, algorithm="sha256").hexdigest()


def _replay(identity: dict[str, Any], body_hash: str, find: Callable[[str], D | None]) -> D | None:
    oldest = timezone.now() - KEPT
    row = IdempotencyKey.objects.filter(**identity, created_at__gt=oldest).first()
    if row is None:
        # Only one past its time: another caller may have stored a fresh one by now.
        IdempotencyKey.objects.filter(**identity, created_at__lte=oldest).delete()
        return None
    if row.body_hash != body_hash:
        message = "this Idempotency-Key came with another body before"
        raise ApiError(message, code="idempotency_mismatch", path="Idempotency-Key", status=422)
    document = find(row.document_id)
    if document is None:
        raise ApiError("what this key made has been deleted", code="gone", path="Idempotency-Key", status=410)
    return document


def forget_old() -> int:
    """Deletes keys past their 24 h; the number of them."""
    return IdempotencyKey.objects.filter(created_at__lte=timezone.now() - KEPT).delete()[0]

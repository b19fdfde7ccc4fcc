"""Bearer access keys (`Authorization: Bearer gfn_...`) and the scopes that they carry."""

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from billing.models import AccessKey

# `last_used_at` is for people; a write per request would be for nobody.
SEEN_EVERY = timedelta(minutes=1)


class AccessKeyAuthentication(BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[Any, AccessKey] | None:
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            return None
        now = timezone.now()
        live = Q(expires_at=None) | Q(expires_at__gt=now)
        key = (
            AccessKey.objects.filter(live, digest=AccessKey.digest_of(secret.strip()), revoked_at=None)
            .select_related("user")
            .first()
        )
        if key is None or not key.user.is_active:
            raise AuthenticationFailed("the access key is unknown, revoked or expired")
        if key.last_used_at is None or now - key.last_used_at > SEEN_EVERY:
            AccessKey.objects.filter(pk=key.pk).update(last_used_at=now)
        user = key.user
        if "admin" not in key.scopes:
            # Staff's powers come with the scope `admin` alone: on this instance, which is never saved, they are gone.
            user.is_staff = user.is_superuser = False
        return user, key

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="gofannon"'


class HasScope(BasePermission):
    """A key's scopes: `read` for safe methods, `run` for a view's `run_actions`, `write` for the rest."""

    message = "the access key lacks the scope for this"
    code = "missing_scope"

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, AccessKey):
            return True
        if request.method in SAFE_METHODS:
            wanted = "read"
        else:
            wanted = "run" if getattr(view, "action", "") in getattr(view, "run_actions", ()) else "write"
        return wanted in request.auth.scopes


class AccessKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How OpenAPI names the key."""

    target_class = AccessKeyAuthentication
    name = "accessKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "gfn_..."}

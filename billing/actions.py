"""What is done to users, teams and keys. API, admin and commands all come through here."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from billing import documents
from billing.models import AccessKey, IdempotencyKey, Membership, ProviderKey, Team, User, WebhookSecret
from billing.models import provider_key as provider_keys
from billing.models.access_key import DEFAULT_SCOPES, SCOPES
from gofannon.lib import ids, sealed
from gofannon.lib.errors import ApiError, Conflict, NotFound, raise_all

# Called with a user who is about to leave, before anything is erased. The apps above register here, in their
# AppConfig.ready(), what they have running in the user's name: billing itself knows no runs.
BEFORE_LEAVING: list[Callable[[User], None]] = []
# What a superuser needs to be one: without any of them the admin is shut.
_SUPERUSER = ("is_active", "is_staff", "is_superuser")


def staff_only(message: str, path: str | None = None) -> ApiError:
    return ApiError(message, code="staff_only", path=path, status=403)


def _refuse_above(actor: Any, user: User | None, columns: dict[str, Any]) -> None:
    """Staff has no power over superusers, and makes nobody more powerful. `actor` None is the platform itself."""
    if actor is None or actor.is_superuser:
        return
    if user is not None and user.is_superuser and actor.pk != user.pk:
        raise ApiError("only superusers change superusers", code="superuser_only", status=403)
    for name in ("is_staff", "is_superuser"):
        if name in columns and columns[name] != getattr(user, name, False):
            raise ApiError("only superusers say who has power", code="superuser_only", path=name, status=403)


def _keep_a_superuser(user: User, columns: dict[str, Any]) -> None:
    """Somebody must be left who can undo it. The caller holds the transaction of the edit.

    Locks the superusers, lest two of them take the power from each other at the same time.
    """
    if not any(getattr(user, name) and not columns.get(name, True) for name in _SUPERUSER):
        return
    able = User.objects.select_for_update().filter(**dict.fromkeys(_SUPERUSER, True)).order_by("pk")
    if list(able.values_list("pk", flat=True)) == [user.pk]:
        raise Conflict("this is the last superuser, name another first", code="last_superuser")


def create_user(*, actor: Any, values: dict[str, Any], password: str | None = None) -> User:
    """A new local user, who starts with the whole allowance. `actor` None is the platform itself.

    `values` are keyed as the serializer's validated ones. Raises ApiError 403 `staff_only` for an actor who is not
    staff, 403 `superuser_only` for more power than theirs to give, 403 `owner_only` where it brings provider keys,
    409 `duplicate` for a taken username.
    """
    if actor is not None and not actor.is_staff:
        raise staff_only("only staff creates users")
    columns, keys = _without_keys(values)
    _refuse_above(actor, None, columns)
    _refuse_strange_keys(actor, None, keys)
    if "monthly_allowance_nano" in columns:
        columns.setdefault("spend_remaining_nano", columns["monthly_allowance_nano"])
    columns["password"] = make_password(password)
    return documents.create_document(actor=actor, model=User, values=columns)


def update_user(*, actor: Any, user: User, values: dict[str, Any], expected_version: int | None = None) -> None:
    """Changes columns and, under `provider_keys`, provider keys: `{provider: secret, or None to remove it}`.

    Which fields the actor may change, its caller has checked; that nobody sets the keys of another, it checks itself.
    Raises ApiError 403 `superuser_only` where staff reaches for a superuser or for power, 409 `last_superuser`.
    """
    columns, keys = _without_keys(values)
    _refuse_above(actor, user, columns)
    _refuse_strange_keys(actor, user, keys)
    with transaction.atomic():
        _keep_a_superuser(user, columns)
        documents.update_document(actor=actor, document=user, values=columns, expected_version=expected_version)
        for provider, secret in keys.items():
            if secret is None:
                ProviderKey.objects.filter(user=user, provider=provider).delete()
            else:
                ProviderKey.put(user.pk, provider, secret)


def _without_keys(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str | None]]:
    return {name: value for name, value in values.items() if name != "provider_keys"}, values.get("provider_keys", {})


def _refuse_strange_keys(actor: Any, user: User | None, keys: dict[str, str | None]) -> None:
    brought = [provider for provider, secret in keys.items() if secret is not None]
    if brought and (actor is None or user is None or actor.pk != user.pk):
        message = "provider keys are set by the user to whom they belong"
        raise ApiError(message, code="owner_only", path=f"api_keys.{provider_keys.wire_name(brought[0])}", status=403)


def set_provider_key(*, user: User, provider: str, value: str) -> ProviderKey:
    """Stores the user's own key of a provider, in the place of the last one. Raises ApiError for a bad name or key."""
    if not provider_keys.is_provider(provider):
        message = "a provider's name is 1 to 32 lower-case letters, digits and underscores, a letter first"
        raise ApiError(message, code="invalid", path="provider")
    known = ProviderKey.objects.filter(user=user, provider=provider).first()
    if known is not None and known.hint == value:
        return known
    if problem := provider_keys.problem(value):
        raise ApiError(problem, code="invalid", path="value")
    with transaction.atomic():
        _touch(user)
        return ProviderKey.put(user.pk, provider, value)


def delete_provider_key(*, user: User, provider: str) -> None:
    """Raises NotFound where the user has no key of the provider."""
    with transaction.atomic():
        if not ProviderKey.objects.filter(user=user, provider=provider).delete()[0]:
            raise NotFound("there is no key of this provider")
        _touch(user)


def _touch(user: User) -> None:
    """Counts an edit of the document that changed none of its columns."""
    User.objects.filter(pk=user.pk).update(version=F("version") + 1, updated_at=timezone.now())


def anonymise_user(*, actor: Any, user: User, expected_version: int | None = None) -> None:
    """Erases who the user was and ends every way of signing in; the row and its ledger remain.

    Staff may do it to anybody but superusers, others to themselves. Whatever runs in the user's name is cancelled
    first. Raises ApiError 403 `staff_only` or `superuser_only`, 409 `last_superuser`.
    """
    if not actor.is_staff and actor.pk != user.pk:
        raise staff_only("only staff deletes others")
    _refuse_above(actor, user, {})
    erased = {
        "username": ids.new_id("deleted"),
        "password": make_password(None),
        "last_login": None,
        "is_active": False,
        "is_staff": False,
        "is_superuser": False,
        **dict.fromkeys(
            ("display_name", "email", "picture_url", "provider", "stripe_customer_id", "subscription_id"), ""
        ),
    }
    with transaction.atomic():
        _keep_a_superuser(user, erased)
        for leave in BEFORE_LEAVING:
            leave(user)
        documents.update_document(actor=actor, document=user, values=erased, expected_version=expected_version)
        for model in (ProviderKey, AccessKey, IdempotencyKey, Membership, WebhookSecret):
            model._default_manager.filter(user_id=user.pk).delete()
        user.groups.clear()
        user.user_permissions.clear()


def create_team(*, actor: Any, values: dict[str, Any]) -> Team:
    """`values` may hold `members`: `[{"user_id", "role"}]`. The actor owns the team unless staff names another.

    Others get ApiError 403 `staff_only`, whether or not there is such a user.
    """
    columns, members = _without_members(values)
    if columns.get("owner_id") not in (None, actor.pk) and not actor.is_staff:
        raise staff_only("only staff makes teams for others", path="owner_id")
    _check_members(columns.get("owner_id") or actor.pk, members or [])
    with transaction.atomic():
        team = documents.create_document(actor=actor, model=Team, values=columns)
        team.write_members(members or [])
    return team


def update_team(*, actor: Any, team: Team, values: dict[str, Any], expected_version: int | None = None) -> None:
    """Changes columns and, where `members` are given, all members."""
    columns, members = _without_members(values)
    standing = [{"user_id": member.user_id, "role": member.role} for member in team.members]
    _check_members(columns.get("owner_id") or team.owner_id, standing if members is None else members)
    with transaction.atomic():
        documents.update_document(actor=actor, document=team, values=columns, expected_version=expected_version)
        if members is not None:
            team.write_members(members)


def _without_members(values: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, str]] | None]:
    return {name: value for name, value in values.items() if name != "members"}, values.get("members")


def _check_members(owner_id: str, members: list[dict[str, str]]) -> None:
    """Each exists and is named once; the owner, who may do all that an editor may, is not among them."""
    named = [member["user_id"] for member in members]
    found = set(User.objects.filter(pk__in=named).values_list("pk", flat=True))
    seen: set[str] = set()
    errors = []
    for index, user_id in enumerate(named):
        path = f"members[{index}].user_id"
        if user_id not in found:
            errors.append(ApiError(f"there is no user {user_id!r}", code="unknown_reference", path=path))
        elif user_id in seen:
            errors.append(ApiError("this user is named twice", code="duplicate", path=path))
        elif user_id == owner_id:
            errors.append(ApiError("the team's owner is no member besides", code="invalid", path=path))
        seen.add(user_id)
    raise_all(errors)


def create_access_key(
    *,
    user: User,
    name: str,
    scopes: Sequence[str] | None = None,
    expires_at: datetime | None = None,
    made_with: AccessKey | None = None,
) -> tuple[AccessKey, str]:
    """(the key, its secret, which is told nowhere else). Without `scopes`: all but `admin`.

    A key made with another key has no more scopes than that one and does not outlive it. Raises ApiError 403
    `staff_only` or `missing_scope`, 400 `invalid`.
    """
    allowed = SCOPES if made_with is None else tuple(made_with.scopes)
    scopes = [scope for scope in DEFAULT_SCOPES if scope in allowed] if scopes is None else list(scopes)
    expires_at = expires_at or (made_with.expires_at if made_with else None)
    _check_scopes(user, scopes, allowed)
    _check_expiry(expires_at, made_with)
    secret = AccessKey.fresh_secret()
    values = {
        "user_id": user.pk,
        "name": name,
        "scopes": scopes,
        "expires_at": expires_at,
        "digest": AccessKey.digest_of(secret),
        "hint": sealed.mask(secret),
    }
    return documents.create_document(actor=user, model=AccessKey, values=values), secret


def _check_scopes(user: User, scopes: list[str], allowed: Sequence[str]) -> None:
    if not scopes or not set(scopes) <= set(SCOPES) or len(set(scopes)) != len(scopes):
        raise ApiError(f"scopes are one or more of {', '.join(SCOPES)}", code="invalid_choice", path="scopes")
    if not set(scopes) <= set(allowed):
        message = "an access key makes no key with more scopes than its own"
        raise ApiError(message, code="missing_scope", path="scopes", status=403)
    if "admin" in scopes and not user.is_staff:
        raise staff_only("only staff has keys with the scope admin", path="scopes")


def _check_expiry(expires_at: datetime | None, made_with: AccessKey | None) -> None:
    if expires_at is not None and expires_at <= timezone.now():
        raise ApiError("the expiry lies in the past", code="invalid", path="expires_at")
    limit = made_with.expires_at if made_with else None
    if limit is not None and (expires_at is None or expires_at > limit):
        raise ApiError("an access key makes no key that outlives it", code="invalid", path="expires_at")


def revoke_access_key(*, access_key: AccessKey, expected_version: int | None = None) -> None:
    """Ends the key at once and for ever; its row remains. A second time changes nothing."""
    if access_key.revoked_at is None:
        values = {"revoked_at": timezone.now()}
        documents.update_document(
            actor=access_key.user, document=access_key, values=values, expected_version=expected_version
        )

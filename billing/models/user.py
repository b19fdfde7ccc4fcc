"""Users: who they are, what they may spend."""

from typing import Any, ClassVar, Self

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import BaseUserManager, PermissionsMixin
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from billing.models.provider_key import ProviderKey
from gofannon.lib import ids, money
from gofannon.lib.documents import Document, DocumentQuerySet

# A picture may be served from anywhere, but it is never a script.
is_web_address = RegexValidator(r"\Ahttps?://\S+\Z", "an address that begins with http:// or https://")


class UserQuerySet(DocumentQuerySet):
    def visible_to(self, user: Any) -> Self:
        return self if user.is_staff else self.filter(pk=user.pk)

    def editable_by(self, user: Any) -> Self:
        return self.visible_to(user)


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    def create_user(self, username: str, password: str | None = None, **fields: Any) -> "User":
        """A local user. Its id is `user_local_<time-ordered>` unless `id` is given."""
        user: User = self.model(username=username, **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(username, password, is_staff=True, is_superuser=True, **fields)


class User(Document, AbstractBaseUser, PermissionsMixin):
    KIND = "user"
    COLLECTION = "users"
    CHILDREN = ("usage", "provider_keys")
    GROWING = {"usage": "usage_count"}
    PREFETCHES = ("provider_keys",)

    username = models.CharField(max_length=255, unique=True)
    email = models.EmailField(blank=True, db_index=True)
    display_name = models.CharField(max_length=255, blank=True)
    picture_url = models.CharField(max_length=2000, blank=True, validators=[is_web_address])
    provider = models.CharField(max_length=40, default="local", help_text="who vouched for the identity")
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="an operator: sees all, runs the admin")

    plan = models.CharField(max_length=40, default="free")
    billing_status = models.CharField(max_length=40, default="active")
    stripe_customer_id = models.CharField(max_length=255, blank=True)
    subscription_id = models.CharField(max_length=255, blank=True)
    monthly_allowance_nano = models.BigIntegerField(default=100 * money.NANO, help_text="nano-USD a month")
    spend_remaining_nano = models.BigIntegerField(default=100 * money.NANO, help_text="nano-USD left this period")
    last_reset = models.DateTimeField(default=timezone.now)
    usage_count = models.PositiveBigIntegerField(default=0, editable=False)

    USERNAME_FIELD = "username"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()  # type: ignore[misc]

    class Meta:
        ordering = ["-created_at"]

    @classmethod
    def make_id(cls) -> str:
        return ids.new_id("user_local")

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Who comes without a name signs in by id, who comes without a password not by password."""
        self.id = self.id or self.make_id()
        self.username = self.username or self.id
        self.password = self.password or make_password(None)
        super().save(*args, **kwargs)

    def import_children(self, children: dict[str, Any]) -> None:
        """`{"usage": [{"timestamp", "cost_nano", ...}], "provider_keys": {provider: secret | None}}`."""
        # An imported entry is no charge that could be replayed.
        usage = [{**entry, "key": ids.new_id("import")} for entry in children.get("usage", [])]
        super().import_children({"usage": usage})
        for provider, secret in children.get("provider_keys", {}).items():
            if secret is not None:
                ProviderKey.put(self.pk, provider, secret)

    def __str__(self) -> str:
        return self.display_name or self.username

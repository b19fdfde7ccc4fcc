"""The wire shapes of users. `usage_info.usage` is the newest of the user's entries; keys are shown masked."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.api.serializers import child_page_links
from billing.models import UsageEntry, User, provider_key
from billing.models.user import is_web_address
from gofannon.lib.rest.children import NewestField
from gofannon.lib.rest.fields import InstantField, UsdField
from gofannon.lib.rest.serializers import DocumentSerializer, Section, StrictSerializer

# Each costs a query; nobody has so many providers.
MAX_KEYS = 100
_MASK = {"type": ["string", "null"], "description": "shown masked (`sk-...9f2c`); null removes the key"}
API_KEYS = {
    "type": "object",
    "properties": {provider_key.wire_name(name): _MASK for name in provider_key.KNOWN},
    "additionalProperties": _MASK,
}


class OptionalText(serializers.CharField):
    """Text that is null on the wire where it is empty inside."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"allow_null": True, "allow_blank": True, "required": False, **kwargs})

    def to_representation(self, value: Any) -> Any:
        return value or None

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(data) or ""


class OptionalEmail(OptionalText, serializers.EmailField):
    """An e-mail address, or null."""


class Usd(UsdField):
    """An amount that is no debt."""

    def to_internal_value(self, data: Any) -> int:
        nano = super().to_internal_value(data)
        if nano < 0:
            raise serializers.ValidationError("an amount in USD that is not negative is expected", code="min_value")
        return nano


class UsageEntrySerializer(StrictSerializer):
    timestamp = InstantField()
    response_cost = UsdField(source="cost_nano")
    agent_id = serializers.CharField(required=False, allow_null=True, max_length=255)
    session_id = serializers.CharField(required=False, allow_null=True, max_length=255)

    def to_representation(self, entry: UsageEntry) -> dict[str, Any]:
        shown: dict[str, Any] = super().to_representation(entry)
        return {name: value for name, value in shown.items() if value != ""}

    def to_internal_value(self, data: Any) -> Any:
        return {name: "" if value is None else value for name, value in super().to_internal_value(data).items()}


class BasicInfo(Section):
    system_fields = ("provider",)

    display_name = serializers.CharField(max_length=255, allow_blank=True)
    email = OptionalEmail(max_length=254)
    picture_url = OptionalText(max_length=2000, validators=[is_web_address])
    provider = serializers.CharField(max_length=40, allow_blank=True)


class BillingInfo(Section):
    system_fields = ("stripe_customer_id", "subscription_id")
    staff_fields = ("plan", "status")

    plan = serializers.CharField(max_length=40)
    status = serializers.CharField(max_length=40, source="billing_status")
    stripe_customer_id = OptionalText(max_length=255)
    subscription_id = OptionalText(max_length=255)


class UsageInfo(Section):
    system_fields = ("usage", "last_reset")
    staff_fields = ("monthly_allowance", "spend_remaining")

    monthly_allowance = Usd(source="monthly_allowance_nano")
    spend_remaining = UsdField(source="spend_remaining_nano")
    usage = NewestField(child=UsageEntrySerializer())
    last_reset = InstantField()


@extend_schema_field(API_KEYS)
class ApiKeysField(serializers.Field[Any, Any, Any, Any]):
    """`{"openai_api_key": mask or null, ...}`. A mask that comes back keeps its key, null removes it."""

    def get_attribute(self, instance: User) -> User:
        return instance

    def to_representation(self, user: User) -> dict[str, str | None]:
        return masks(user)

    def to_internal_value(self, data: Any) -> dict[str, str | None]:
        if not isinstance(data, dict):
            raise serializers.ValidationError("an object is expected", code="invalid")
        if len(data) > MAX_KEYS:
            raise serializers.ValidationError(f"more than {MAX_KEYS} keys", code="max_length")
        standing = masks(self.root.instance) if isinstance(self.root.instance, User) else {}
        keys: dict[str, str | None] = {}
        errors: dict[str, list[Any]] = {}
        for name, value in data.items():
            provider = provider_key.provider_of(name)
            if provider is None:
                errors[name] = [serializers.ErrorDetail("there is no such field", code="unknown_field")]
            elif value is None:
                keys[provider] = None
            elif value == standing.get(name) or (self.context.get("importing") and provider_key.is_masked(str(value))):
                continue
            elif problem := provider_key.problem(value):
                errors[name] = [serializers.ErrorDetail(problem, code="invalid")]
            else:
                keys[provider] = value
        if errors:
            raise serializers.ValidationError(errors)
        return keys


def masks(user: User) -> dict[str, str | None]:
    """The masked keys by their wire names; those of the known providers also where they are not set."""
    stored = {provider_key.wire_name(key.provider): key.hint for key in user.provider_keys.all()}
    return {**{provider_key.wire_name(name): None for name in provider_key.KNOWN}, **stored}


class UserSerializer(DocumentSerializer):
    staff_fields = ("username", "is_active")

    basic_info = BasicInfo()
    billing_info = BillingInfo()
    usage_info = UsageInfo()
    api_keys = ApiKeysField(source="provider_keys", required=False)
    username = serializers.CharField(max_length=255, required=False)
    _links = serializers.SerializerMethodField(method_name="get_links")

    class Meta(DocumentSerializer.Meta):
        model = User
        system_fields = (*DocumentSerializer.Meta.system_fields, "is_staff")
        fields = (
            "_id",
            "basic_info",
            "billing_info",
            "usage_info",
            "api_keys",
            "created_at",
            "updated_at",
            "version",
            "username",
            "is_staff",
            "is_active",
            "_links",
        )

    def get_links(self, user: User) -> dict[str, str]:
        return child_page_links("users", user, "usage")


class ApiKeySerializer(StrictSerializer):
    """One provider's key: `{"value": ...}` in, `{"provider", "value": mask}` out."""

    provider = serializers.CharField(read_only=True)
    value = serializers.CharField(max_length=4000, source="hint")

from billing.models.access_key import AccessKey
from billing.models.idempotency import IdempotencyKey
from billing.models.owned import OwnedDocument, OwnedQuerySet, Visibility
from billing.models.provider_key import ProviderKey
from billing.models.team import Membership, Team
from billing.models.usage import UsageEntry
from billing.models.user import User
from billing.models.webhook_secret import WebhookSecret

__all__ = [
    "AccessKey",
    "IdempotencyKey",
    "Membership",
    "OwnedDocument",
    "OwnedQuerySet",
    "ProviderKey",
    "Team",
    "UsageEntry",
    "User",
    "Visibility",
    "WebhookSecret",
]

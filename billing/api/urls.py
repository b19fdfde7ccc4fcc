from django.urls import path

from billing.api.access_keys import AccessKeyViewSet
from billing.api.teams import TeamViewSet
from billing.api.users import UserViewSet
from billing.api.webhook_secret import WebhookSecretView
from gofannon.lib.rest.routers import DocumentRouter

router = DocumentRouter()
router.register("users", UserViewSet, basename="user")
router.register("teams", TeamViewSet, basename="team")
router.register("access-keys", AccessKeyViewSet, basename="access-key")
urlpatterns = [path("users/me/webhook-secret", WebhookSecretView.as_view(), name="webhook-secret"), *router.urls]

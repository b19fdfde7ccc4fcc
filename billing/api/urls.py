from billing.api.access_keys import AccessKeyViewSet
from billing.api.teams import TeamViewSet
from billing.api.users import UserViewSet
from gofannon.lib.rest.routers import DocumentRouter

router = DocumentRouter()
router.register("users", UserViewSet, basename="user")
router.register("teams", TeamViewSet, basename="team")
router.register("access-keys", AccessKeyViewSet, basename="access-key")
urlpatterns = router.urls

from demos.api.demos import DemoViewSet
from gofannon.lib.rest.routers import DocumentRouter

router = DocumentRouter()
router.register("demos", DemoViewSet, basename="demo")
urlpatterns = router.urls

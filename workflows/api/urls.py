from gofannon.lib.rest.routers import DocumentRouter

router = DocumentRouter()
urlpatterns = router.urls

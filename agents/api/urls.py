from gofannon.lib.rest.routers import DocumentRouter

from agents.api.skills import SkillViewSet

router = DocumentRouter()
router.register("skills", SkillViewSet, basename="skill")
urlpatterns = router.urls

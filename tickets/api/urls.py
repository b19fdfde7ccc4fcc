from django.urls import path

from gofannon.lib.rest.routers import DocumentRouter
from tickets.api.run import AgentRunView
from tickets.api.tickets import TicketViewSet

router = DocumentRouter()
router.register("tickets", TicketViewSet, basename="ticket")
urlpatterns = [path("agents/<str:name>/run", AgentRunView.as_view(), name="agent-run"), *router.urls]

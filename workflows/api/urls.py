from django.urls import re_path

from gofannon.lib.rest.routers import DocumentRouter
from workflows.api.approvals import ApprovalViewSet, RunApprovalViewSet
from workflows.api.deliveries import DeliveryViewSet
from workflows.api.runs import RunViewSet
from workflows.api.sessions import SessionViewSet
from workflows.api.task_executions import TaskExecutionViewSet
from workflows.api.workflows import WorkflowViewSet

router = DocumentRouter()
router.register("workflows", WorkflowViewSet, basename="workflow")
router.register("sessions", SessionViewSet, basename="session")
router.register("task-executions", TaskExecutionViewSet, basename="task-execution")
router.register("runs", RunViewSet, basename="run")
router.register("approvals", ApprovalViewSet, basename="approval")
router.register("webhook-deliveries", DeliveryViewSet, basename="webhook-delivery")
asked_by_run = r"^runs/(?P<id>[^/\x00]+)/approvals"
urlpatterns = [
    *router.urls,
    re_path(asked_by_run + "$", RunApprovalViewSet.as_view({"get": "list"}), name="run-approvals"),
    re_path(
        asked_by_run + r"/(?P<call>[^/\x00]+)$",
        RunApprovalViewSet.as_view({"get": "retrieve", "post": "decide"}),
        name="run-approval",
    ),
]

from gofannon.lib.rest.routers import DocumentRouter
from workflows.api.runs import RunViewSet
from workflows.api.sessions import SessionViewSet
from workflows.api.task_executions import TaskExecutionViewSet
from workflows.api.workflows import WorkflowViewSet

router = DocumentRouter()
router.register("workflows", WorkflowViewSet, basename="workflow")
router.register("sessions", SessionViewSet, basename="session")
router.register("task-executions", TaskExecutionViewSet, basename="task-execution")
router.register("runs", RunViewSet, basename="run")
urlpatterns = router.urls

from django.apps import AppConfig


class WorkflowsConfig(AppConfig):
    name = "workflows"

    def ready(self) -> None:
        """What runs ends before its agent or its asker goes."""
        from billing import actions, documents
        from workflows import ending

        documents.BEFORE_DELETE.append(ending.end_runs_of_document)
        actions.BEFORE_LEAVING.append(ending.end_runs_of_user)

from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "tickets"

    def ready(self) -> None:
        """A ticket is forgotten along with its run."""
        from tickets import forgetting
        from workflows import retention

        retention.BEFORE_FORGETTING.append(forgetting.delete_tickets_of_runs)

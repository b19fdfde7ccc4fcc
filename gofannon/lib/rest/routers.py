"""Routes without a trailing slash."""

from rest_framework.routers import SimpleRouter


class DocumentRouter(SimpleRouter):
    def __init__(self) -> None:
        super().__init__(trailing_slash=False)

"""The API: authentication, error shape, pages, OpenAPI."""

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "billing.api.authentication.AccessKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "billing.api.authentication.HasScope",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": ["gofannon.lib.rest.parsers.StrictJSONParser"],
    "DEFAULT_PAGINATION_CLASS": "gofannon.lib.rest.pagination.KeysetPagination",
    "DEFAULT_FILTER_BACKENDS": [
        "django_filters.rest_framework.DjangoFilterBackend",
        "gofannon.lib.rest.pagination.KeysetOrdering",
    ],
    "DEFAULT_SCHEMA_CLASS": "gofannon.lib.rest.schema.DocumentSchema",
    "EXCEPTION_HANDLER": "gofannon.lib.rest.errors.exception_handler",
    "PAGE_SIZE": 50,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "DATETIME_FORMAT": "iso-8601",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gofannon",
    "DESCRIPTION": "A self-hosted agent platform: define, deploy, run and account for AI agents.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api",
    "SCHEMA_PATH_PREFIX_TRIM": False,
    "ENUM_NAME_OVERRIDES": {
        "TicketStatusEnum": "tickets.models.TicketStatus",
        "DeliveryStatusEnum": "workflows.models.delivery.Delivery.Status",
        "RunStatusEnum": "workflows.models.run.Status",
        "ApprovalDecisionEnum": "workflows.models.approval.Decision",
    },
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
}

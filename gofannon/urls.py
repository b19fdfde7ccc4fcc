"""All routes. The API has no trailing slashes."""

from django.contrib import admin
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from gofannon.api import health, root
from gofannon.lib.rest import errors
from tickets.api.run import RestView

handler400 = errors.bad_request
handler404 = errors.not_found
handler500 = errors.server_error

urlpatterns = [
    path("", RedirectView.as_view(url="/admin/"), name="front"),
    path("ready", csrf_exempt(health.ready), name="ready"),
    path("admin/", admin.site.urls),
    path("api", root.ApiRoot.as_view(), name="api-root"),
    path("api/schema", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("api/", include("billing.api.urls")),
    path("api/", include("tickets.api.urls")),
    path("api/", include("agents.api.urls")),
    path("api/", include("workflows.api.urls")),
    path("api/", include("demos.api.urls")),
    path("rest/<str:name>", RestView.as_view(), name="rest-run"),
    re_path(r"^(?:api|rest|v1)(?:/.*)?$", csrf_exempt(errors.not_found)),
]

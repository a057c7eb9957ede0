"""Every address of the service."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from taskproject import health
from taskproject.api import documentation
from taskproject.tenancy.webadmin import gate

urlpatterns = [
    # Looked for in this order: what is asked for most comes first.
    path("api/v1/tenants/<slug:tenant>/", include("tasks.api.urls")),
    path("api/v1/tenants/<slug:tenant>/", include("projects.api.urls")),
    path("api/v1/tenants/<slug:tenant>/", include("taskproject.tenancy.api.urls")),
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("admin/tenants/<slug:slug>/", gate.tenant_pages, {"rest": ""}, name="tenant-pages"),
    path("admin/tenants/<slug:slug>/<path:rest>", gate.tenant_pages),
    path("admin/", admin.site.urls),
    path("api/v1/schema/", documentation.DocumentView.as_view(), name="api-document"),
    path("api/v1/docs/", documentation.swagger, name="api-swagger"),
    path("api/v1/redoc/", documentation.redoc, name="api-redoc"),
]
if "debug_toolbar" in settings.INSTALLED_APPS:
    urlpatterns += [path("__debug__/", include("debug_toolbar.urls"))]

handler400 = "taskproject.errors.bad_request"
handler403 = "taskproject.errors.permission_denied"
handler404 = "taskproject.errors.not_found"
handler500 = "taskproject.errors.server_error"

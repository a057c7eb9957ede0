"""Every address of the service."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView

from taskproject import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("livez", health.livez),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
    path("api/v1/tenants/<slug:tenant>/", include("tasks.api.urls")),
]
if "debug_toolbar" in settings.INSTALLED_APPS:
    urlpatterns += [path("__debug__/", include("debug_toolbar.urls"))]

handler400 = "taskproject.api.problems.bad_request"
handler403 = "taskproject.api.problems.permission_denied"
handler404 = "taskproject.api.problems.not_found"
handler500 = "taskproject.api.problems.server_error"

"""Addresses of projects, below /api/v1/tenants/<tenant>/."""

from __future__ import annotations

from projects.api.viewsets import ProjectViewSet
from taskproject.api.routing import route

urlpatterns = [
    route("projects/", ProjectViewSet, "project-list", get="list", post="create"),
    route(
        "projects/<str:key>/",
        ProjectViewSet,
        "project-detail",
        get="retrieve",
        patch="partial_update",
    ),
]

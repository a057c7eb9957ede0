"""Addresses of tasks, below /api/v1/tenants/<tenant>/."""

from __future__ import annotations

from django.urls import path

from tasks.api.viewsets import TaskViewSet

urlpatterns = [
    path("tasks/", TaskViewSet.as_view({"get": "list"}), name="task-list"),
]

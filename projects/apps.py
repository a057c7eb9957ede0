from __future__ import annotations

from django.apps import AppConfig


class ProjectsConfig(AppConfig):
    """Projects of a tenant."""

    name = "projects"

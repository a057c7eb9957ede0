from __future__ import annotations

from django.apps import AppConfig


class TaskprojectConfig(AppConfig):
    """The project package as an app: its commands and system checks."""

    name = "taskproject"

    def ready(self) -> None:
        from taskproject import checks  # noqa: F401  registers the system checks

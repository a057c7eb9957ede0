from __future__ import annotations

from django.apps import AppConfig


class TasksConfig(AppConfig):
    """Tasks of a tenant, and what hangs on them."""

    name = "tasks"

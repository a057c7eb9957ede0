from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TenancyConfig(AppConfig):
    """Tenants, members, tokens, events; the lowest of the apps."""

    name = "taskproject.tenancy"
    label = "tenancy"
    verbose_name = "Tenancy"

    def ready(self) -> None:
        from taskproject.tenancy import checks  # noqa: F401  registers the system checks
        from taskproject.tenancy.grants import grant_shared_tables

        post_migrate.connect(grant_shared_tables, sender=self)

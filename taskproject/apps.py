"""The project package as an app, for its commands, system checks and templates; and Django's admin
with our own site in the place of its default one."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class TaskprojectConfig(AppConfig):
    """Registers the checks of the project."""

    name = "taskproject"

    def ready(self) -> None:
        from taskproject import answers, checks  # noqa: F401

        answers.forget_what_changes()


class WebAdminConfig(AdminConfig):
    """`admin.site` is the platform's site; each tenant's pages are `tenant_site`."""

    default_site = "taskproject.tenancy.webadmin.sites.PlatformSite"

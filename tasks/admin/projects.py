"""What tasks add to the pages of projects: archiving, which asks about tasks."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html

from projects.admin import ProjectAdmin
from projects.models import Project
from projects.services import project_set_archived
from taskproject.tenancy.webadmin.options import EVERYWHERE, link_to_list
from taskproject.tenancy.webadmin.sites import actor_of, tenant_site
from tasks.models import Task
from tasks.services.tasks import project_archive

tenant_site.unregister(Project)


@admin.register(Project, site=tenant_site)
class ProjectWithTasksAdmin(ProjectAdmin):
    """The pages of projects, with their tasks."""

    list_display = (*ProjectAdmin.list_display, "tasks")
    actions = ("archive", "bring_back")

    @admin.display(description="tasks")
    def tasks(self, project: Project) -> str:
        """A link to the list of its tasks."""
        return format_html('<a href="{}">Tasks</a>', link_to_list(Task, project=project.pk))

    @admin.action(permissions=["change"], description="Archive", location=EVERYWHERE)
    def archive(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Archive projects that have no active task."""

        def change(project: Project) -> None:
            project_archive(project_id=project.pk, actor_id=actor_of(request))

        self.apply_to_each(request, queryset, change, "archived")

    @admin.action(permissions=["change"], description="Bring back", location=EVERYWHERE)
    def bring_back(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Undo the archiving."""

        def change(project: Project) -> None:
            project_set_archived(project_id=project.pk, archived=False, actor_id=actor_of(request))

        self.apply_to_each(request, queryset, change, "brought back")

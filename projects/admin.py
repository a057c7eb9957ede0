"""Projects in the web admin."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from projects import services
from projects.models import Project
from taskproject.db.keyset import Keyset
from taskproject.tenancy import selectors as tenancy_selectors
from taskproject.tenancy.models import Event, Role
from taskproject.tenancy.webadmin.forms import VersionedForm
from taskproject.tenancy.webadmin.history import HistoryMixin
from taskproject.tenancy.webadmin.options import person
from taskproject.tenancy.webadmin.sites import actor_of, tenant_site

_KEPT = ("created_at", "updated_at", "archived_at")


@admin.register(Project, site=tenant_site)
class ProjectAdmin(HistoryMixin):
    """Projects, archived ones too. Whether one may be archived is a question about its tasks, so
    that action is added by `tasks.admin`."""

    add_role = change_role = Role.ADMIN
    form = VersionedForm
    list_display: tuple[str, ...] = ("key", "name", "lead", "created_at", "archived_at")
    list_prefetch = (person("lead"),)
    order = Keyset(("key",))
    search_fields = ("key__startswith",)
    search_help_text = "The beginning of a key, such as WEB."
    autocomplete_fields = ("lead",)

    def label(self, row: Project) -> str:
        return f"{row.key} · {row.name}"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        edited = ("name", "description", "lead", "seen_version")
        return ("key", *edited, *(_KEPT if obj else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("key", *_KEPT) if obj else ()

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        # Keys are capitals and digits: the term is made one, so that the index can serve a range.
        return super().get_search_results(request, queryset, search_term.upper())

    def write_new(self, request: HttpRequest, form: Any) -> Project:
        return services.project_create(actor_id=actor_of(request), **form.values())

    def write_change(self, request: HttpRequest, obj: Project, form: Any) -> None:
        services.project_update(
            project_id=obj.pk,
            actor_id=actor_of(request),
            if_version=form.cleaned_data["seen_version"],
            **form.changes(),
        )

    def events(self, obj: Project) -> QuerySet[Event]:
        return tenancy_selectors.project_events(project_id=obj.pk)

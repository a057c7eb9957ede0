"""Runs of the lab in the admin: a list, and each with its page. Nothing can be changed here."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.csp import CSP
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.csp import csp_override

from perf import history, listed
from perf.models import BenchmarkRun
from perf.report import html
from perf.report.documents import DocumentError

# The page is one file with its own style, and shown in a frame of the admin.
_PAGE_CSP: dict[str, Collection[str] | str] = {
    "default-src": [CSP.NONE],
    "style-src": [CSP.UNSAFE_INLINE],
    "img-src": ["data:"],
    "frame-ancestors": [CSP.SELF],
}


@admin.register(BenchmarkRun)
class BenchmarkRunAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """For superusers: runs tell of the whole installation."""

    list_display = (
        "id",
        "started_at",
        "pairs",
        "claims_held",
        "claims_refuted",
        "refused",
        "noise",
        "postgresql",
        "commit",
    )
    fields = (
        ("started_at", "ended_at"),
        "command",
        ("commit", "postgresql", "noise"),
        ("pairs", "refused", "claims_held", "claims_refuted"),
    )
    readonly_fields = ("noise",)
    ordering = ("-id",)
    sortable_by = ()
    list_per_page = 50
    show_full_result_count = False
    actions = None

    @admin.display(description="noise floor")
    def noise(self, run: BenchmarkRun) -> str:
        """How far a call beside itself was from 1."""
        return f"{run.noise_floor - 1:.1%}" if run.noise_floor else "–"

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if self.has_view_permission(request):  # Django asks only afterwards
            listed.enlist_missing()
        return super().changelist_view(request, extra_context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        # PostgreSQL has no text with a NUL in it, and so no run.
        return None if "\0" in object_id else super().get_object(request, object_id, from_field)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        # Django looks for the row first, and so tells anybody whether there is one.
        if not self.has_view_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.page)
        return [
            path("<str:run_id>/page/", page, name="perf_benchmarkrun_page"),
            *super().get_urls(),
        ]

    def page(self, request: HttpRequest, run_id: str) -> HttpResponse:
        """The run's own page, from its file. Raises `Http404` where that is gone."""
        if not self.has_view_permission(request):
            raise Http404
        try:
            if run_id not in history.ids():
                raise history.NoSuchRun(run_id)
            run = history.load(run_id)
        except (history.NoSuchRun, DocumentError, OSError) as error:
            raise Http404(f"There is no run {run_id} in {history.folder()}.") from error
        return _framed(request, html.render(run))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        user: Any = request.user
        return bool(user.is_active and user.is_superuser)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@csp_override(_PAGE_CSP)
@xframe_options_sameorigin
def _framed(request: HttpRequest, page: str) -> HttpResponse:
    return HttpResponse(page)

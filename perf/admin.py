"""Runs of the lab and looks at the database in the admin.

Nothing can be changed here; but for a statement that is cancelled, which is recorded.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import psycopg
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.csp import CSP
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.csp import csp_override

from perf import listed, looks
from perf.forms import CancelForm, SessionForm
from perf.kept import NoSuchRun
from perf.looks import PAGES
from perf.models import BenchmarkRun, LoadTestRun, PgstatAction, StatisticsSnapshot
from perf.pgstat import cancelling
from perf.pgstat.connecting import connected
from perf.pgstat.server import Server
from perf.report import figures, html
from perf.report.formats import DocumentError
from perf.report.load import html as load_html
from perf.report.load import summary

# The page is one file with its own style, and shown in a frame of the admin.
_PAGE_CSP: dict[str, Collection[str] | str] = {
    "default-src": [CSP.NONE],
    "style-src": [CSP.UNSAFE_INLINE],
    "img-src": ["data:"],
    "frame-ancestors": [CSP.SELF],
}


class ReadByTheFewAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """For superusers: what is told is of the whole installation. Nothing can be changed."""

    sortable_by = ()
    list_per_page = 50
    show_full_result_count = False
    actions = None

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> Any:
        # Django looks for the row first, and so tells anybody whether there is one.
        if not self.has_view_permission(request):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)

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


class KeptRunAdmin(ReadByTheFewAdmin):
    """Runs that are kept as files, each with its page."""

    change_form_template = "admin/perf/run.html"
    ordering = ("-id",)
    rows: Any  # a `Listed`

    def draw(self, run: Any) -> str:
        """The page of a run."""
        raise NotImplementedError

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        if self.has_view_permission(request):  # Django asks only afterwards
            self.rows.enlist_missing()
        return super().changelist_view(request, extra_context)

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        # PostgreSQL has no text with a NUL in it, and so no run.
        return None if "\0" in object_id else super().get_object(request, object_id, from_field)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["page_url"] = f"admin:{self._page_name}"
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.page)
        return [path("<str:run_id>/page/", page, name=self._page_name), *super().get_urls()]

    @property
    def _page_name(self) -> str:
        return f"perf_{self.opts.model_name}_page"

    def page(self, request: HttpRequest, run_id: str) -> HttpResponse:
        """The run's own page, from its file. Raises `Http404` where that is gone."""
        if not self.has_view_permission(request):
            raise Http404
        shelf = self.rows.shelf
        try:
            if run_id not in shelf.ids():
                raise NoSuchRun(run_id)
            run = shelf.load(run_id)
        except (NoSuchRun, DocumentError, OSError) as error:
            raise Http404(f"There is no run {run_id} in {shelf.folder()}.") from error
        return _framed(request, self.draw(run))


@admin.register(BenchmarkRun)
class BenchmarkRunAdmin(KeptRunAdmin):
    """Runs of the lab."""

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
    rows = listed.RUNS

    @admin.display(description="noise floor")
    def noise(self, run: BenchmarkRun) -> str:
        """How far a call beside itself was from 1."""
        return f"{run.noise_floor - 1:.1%}" if run.noise_floor else "–"

    def draw(self, run: Any) -> str:
        return html.render(run)


@admin.register(LoadTestRun)
class LoadTestRunAdmin(KeptRunAdmin):
    """Load tests."""

    list_display = (
        "id",
        "standing",
        "load",
        "good_rate",
        "p50",
        "p99",
        "failed",
        "scenarios",
        "commit",
    )
    fields = (
        ("started_at", "ended_at"),
        "command",
        ("standing", "requests", "failed"),
        ("good_rate", "p50", "p99"),
        "load",
        ("target", "scenarios", "commit"),
    )
    readonly_fields = ("failed", "good_rate", "p50", "p99")
    rows = listed.LOADS

    @admin.display(description="good answers a second")
    def good_rate(self, run: LoadTestRun) -> str:
        return figures.number(run.rate)

    @admin.display(description="p50")
    def p50(self, run: LoadTestRun) -> str:
        return summary.milliseconds(run.p50_ms)

    @admin.display(description="p99")
    def p99(self, run: LoadTestRun) -> str:
        return summary.milliseconds(run.p99_ms)

    @admin.display(description="failed")
    def failed(self, run: LoadTestRun) -> str:
        return figures.percent(run.failure_rate)

    def draw(self, run: Any) -> str:
        return load_html.render(run)


@admin.register(StatisticsSnapshot)
class StatisticsSnapshotAdmin(ReadByTheFewAdmin):
    """Snapshots, and pages of what PostgreSQL says of the database.

    All but one are made of the look that was kept with the newest snapshot, so that opening them
    asks PostgreSQL nothing. The one of live activity asks what costs little.
    """

    list_display = ("taken_at", "database", "statements", "tables", "kilobytes")
    ordering = ("-taken_at",)
    fields = ("taken_at", "database", "system_id", "version_num", "statements", "tables")
    change_list_template = "admin/perf/statisticssnapshot/change_list.html"

    @admin.display(description="KiB")
    def kilobytes(self, snapshot: StatisticsSnapshot) -> str:
        """How large it is, compressed."""
        return f"{snapshot.size_bytes / 1024:,.0f}"

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("sample")

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> Any:
        return super().changelist_view(
            request, {**(extra_context or {}), "pages": PAGES, "page": ""}
        )

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("look/<slug:page>/", view(self.look), name="perf_look"),
            path("look/<slug:page>/page/", view(self.page), name="perf_look_page"),
            *super().get_urls(),
        ]

    def look(self, request: HttpRequest, page: str) -> HttpResponse:
        """A page of the admin with the page in it. Raises `Http404` for one that there is not."""
        if not self.has_view_permission(request) or page not in PAGES:
            raise Http404
        context = {
            **self.admin_site.each_context(request),
            "title": PAGES[page].title,
            "opts": self.opts,
            "pages": PAGES,
            "page": page,
        }
        return render(request, "admin/perf/statisticssnapshot/look.html", context)

    def page(self, request: HttpRequest, page: str) -> HttpResponse:
        """What stands in the frame. Raises `Http404` for a page that there is not."""
        if not self.has_view_permission(request) or page not in PAGES:
            raise Http404
        return _framed(request, looks.page(PAGES[page]))


@admin.register(PgstatAction)
class PgstatActionAdmin(ReadByTheFewAdmin):
    """What was done to sessions of the database, by whom and why."""

    list_display = ("at", "who", "pid", "role", "application", "outcome", "reason")
    ordering = ("-at",)
    change_list_template = "admin/perf/pgstataction/change_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.cancel)
        return [path("cancel/", view, name="perf_cancel"), *super().get_urls()]

    def cancel(self, request: HttpRequest) -> HttpResponse:
        """Ask which session, show what it runs, ask why, cancel it.

        Raises `Http404` for whoever may not know that this is here.
        """
        if not self.has_view_permission(request):
            raise Http404
        try:
            with connected() as server:
                if request.method == "POST":
                    return self._cancelled(request, server)
                return self._shown(request, server)
        except psycopg.Error as error:
            return self._asked(request, SessionForm(), f"PostgreSQL gave no answer: {error}")

    def _shown(self, request: HttpRequest, server: Server) -> HttpResponse:
        form = SessionForm(request.GET or None)
        if not form.is_valid():
            return self._asked(request, form)
        try:
            found = cancelling.target(server, form.cleaned_data["pid"])
        except cancelling.Refused as refusal:
            return self._asked(request, form, str(refusal))
        return self._asked(request, CancelForm.of(found), target=found)

    def _cancelled(self, request: HttpRequest, server: Server) -> HttpResponse:
        form = CancelForm(request.POST)
        if not form.is_valid():
            return self._asked(request, form)
        pid, reason = form.cleaned_data["pid"], form.cleaned_data["reason"]
        who = request.user.get_username()
        try:
            cancelling.cancel(server, pid, who=who, reason=reason, agreed=form.agreed)
        except cancelling.Refused as refusal:
            return self._asked(request, SessionForm(initial={"pid": pid}), str(refusal))
        self.message_user(request, f"The statement of session {pid} was cancelled.")
        return redirect("admin:perf_pgstataction_changelist")

    def _asked(
        self,
        request: HttpRequest,
        form: SessionForm | CancelForm,
        refusal: str = "",
        target: cancelling.Target | None = None,
    ) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": "Cancel a statement",
            "opts": self.opts,
            "form": form,
            "method": "post" if isinstance(form, CancelForm) else "get",
            "refusal": refusal,
            "target": target,
        }
        return render(request, "admin/perf/pgstataction/cancel.html", context)


@csp_override(_PAGE_CSP)
@xframe_options_sameorigin
def _framed(request: HttpRequest, page: str) -> HttpResponse:
    return HttpResponse(page)

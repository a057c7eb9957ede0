"""Tasks in the web admin."""

from __future__ import annotations

import re
from typing import Any, Final

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import ActionLocation
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from taskproject.db.keyset import Keyset
from taskproject.tenancy import selectors as tenancy_selectors
from taskproject.tenancy.models import Event, Role
from taskproject.tenancy.webadmin.forms import Refused, refusals
from taskproject.tenancy.webadmin.history import HistoryMixin
from taskproject.tenancy.webadmin.options import EVERYWHERE, SELECTION_LIMIT, person
from taskproject.tenancy.webadmin.sites import actor_of, tenant_site
from tasks import selectors
from tasks.admin.filters import (
    AssigneeFilter,
    LabelFilter,
    ProjectFilter,
    ShownFilter,
    StatusFilter,
)
from tasks.admin.forms import SelectionForm, TaskForm
from tasks.admin.relations import around
from tasks.models import LIVE, Comment, Priority, Status, Task, TaskLabel
from tasks.services import selections
from tasks.services.relations import comment_add, task_labels_set
from tasks.services.tasks import task_create, task_delete, task_update

KEY: Final = re.compile(r"([A-Za-z][A-Za-z0-9]{0,9})-([0-9]{1,9})")
_KEPT: Final = ("creator", "created_at", "updated_at", "completed_at")
_ORDERS: Final = {
    "overdue": selectors.TASK_SORTS["due"],
    "due": selectors.TASK_SORTS["due"],
    "deleted": selectors.TASK_SORTS["-deleted"],
}

tenant_site.words |= {
    "status": lambda value: str(dict(Status.choices).get(value, value)),
    "priority": lambda value: str(dict(Priority.choices).get(value, value)),
}


@admin.register(Task, site=tenant_site)
class TaskAdmin(HistoryMixin):
    """The list of tasks, the page of one, and changes of a selection."""

    add_role = change_role = delete_role = Role.MEMBER
    form = TaskForm
    written_beside = (TaskLabel, Comment)
    list_display = ("key", "title", "status", "priority", "assignee", "due_at")
    list_display_links = ("key", "title")
    list_prefetch = ("project", person("assignee"))
    list_deferred = ("description", "search")
    list_filter = (ShownFilter, StatusFilter, ProjectFilter, AssigneeFilter, LabelFilter)
    filter_sets = (
        frozenset({"show"}),  # task_due_idx, task_deleted_idx
        frozenset({"status"}),  # task_status_idx
        frozenset({"project"}),  # task_project_idx
        frozenset({"project", "status"}),  # task_board_idx
        frozenset({"assignee"}),  # task_assignee_idx
        frozenset({"label"}),  # task_label_created_idx
    )
    search_fields = ("external_key",)
    search_help_text = "A key such as WEB-42, or the key that the task has in another program."
    autocomplete_fields = ("project", "assignee", "parent")
    actions = ("change_selected", "delete_selected", "restore")

    # --- What is shown --------------------------------------------------------------------------

    @admin.display(description="key")
    def key(self, task: Task) -> str:
        """Such as WEB-42."""
        return f"{task.project.key}-{task.number}"

    def label(self, row: Task) -> str:
        return f"{self.key(row)} {row.title}"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Task]:
        # Deleted ones too: their pages can be read, and they can be restored.
        return Task.objects.defer("search")

    def offered(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(LIVE).order_by("-created_at", "-id")

    def labelled(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.select_related("project").defer("description", "search")

    def get_order(self, request: HttpRequest) -> Keyset:
        if request.GET.get("label"):
            return selectors.LABELLED_SORTS["-created"]
        return _ORDERS.get(request.GET.get("show", ""), selectors.TASK_SORTS["-created"])

    def is_counted(self, request: HttpRequest) -> bool:
        # Whether a task that carries a label is live, only the task can tell.
        return not request.GET.get("label")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """The tasks of that key, here or elsewhere; with no term the newest. Words are for the
        search of the REST API."""
        term = search_term.strip()
        if not term or "\0" in term:
            return queryset, False
        found = Task.objects.filter(external_key=term).values_list("pk")
        if match := KEY.fullmatch(term):
            key, number = match.groups()
            here = Task.objects.filter(project__key=key.upper(), number=int(number))
            found = found.union(here.values_list("pk"), all=True)
        return queryset.filter(pk__in=[pk for (pk,) in found]), False

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        written = self.has_change_permission(request, obj)
        form: list[Any] = ["title", "description", ("status", "priority")]
        form += [("assignee", "labels") if written else "assignee", "due_at"]
        form += [("parent", "external_key")]
        form += ["comment", "seen_version", "seen_labels"] if written else []
        if obj is None:
            return [(None, {"fields": ["project", *form]})]
        return [(None, {"fields": form}), ("Dates", {"fields": [_KEPT]})]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return _KEPT if obj else ()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        if task := context["original"]:
            context |= {"around": around(task)}
        return super().render_change_form(request, context, *args, **kwargs)

    # --- What may be done -----------------------------------------------------------------------

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request) and not (obj and obj.deleted_at)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request) and not (obj and obj.deleted_at)

    def has_restore_permission(self, request: HttpRequest) -> bool:
        """Whether the role may bring a deleted task back."""
        return super().has_change_permission(request)

    def get_actions(
        self,
        request: HttpRequest,
        action_location: ActionLocation = ActionLocation.CHANGE_LIST,
    ) -> Any:
        actions = super().get_actions(request, action_location=action_location)
        # Deleted tasks are offered to be restored, the others to be changed and deleted.
        deleted = request.GET.get("show") == "deleted"
        if action_location == ActionLocation.CHANGE_FORM:
            shown = getattr(request, "shown_task", None)
            deleted = bool(shown and shown.deleted_at)
        return {name: each for name, each in actions.items() if (name == "restore") == deleted}

    def get_object(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Task | None:
        task: Task | None = super().get_object(request, *args, **kwargs)
        request.shown_task = task  # type: ignore[attr-defined]
        return task

    # --- Writes ---------------------------------------------------------------------------------

    def write_new(self, request: HttpRequest, form: Any) -> Task:
        task = task_create(actor_id=actor_of(request), **form.values())
        self._write_around(request, task.pk, form)
        return task

    def write_change(self, request: HttpRequest, obj: Task, form: Any) -> None:
        task_update(
            task_id=obj.pk,
            actor_id=actor_of(request),
            if_version=form.cleaned_data["seen_version"],
            **form.changes(),
        )
        self._write_around(request, obj.pk, form)

    def write_delete(self, request: HttpRequest, obj: Task) -> None:
        task_delete(task_id=obj.pk, actor_id=actor_of(request))

    @staticmethod
    def _write_around(request: HttpRequest, task_id: int, form: Any) -> None:
        ids = [label.pk for label in form.cleaned_data["labels"]]
        seen = form.cleaned_data["seen_labels"]
        if set(ids) != set(seen):
            task_labels_set(
                task_id=task_id, label_ids=ids, seen_ids=seen, actor_id=actor_of(request)
            )
        if body := form.cleaned_data["comment"]:
            comment_add(task_id=task_id, body=body, actor_id=actor_of(request))

    # --- Selections -----------------------------------------------------------------------------

    @admin.action(permissions=["change"], description="Change…")
    def change_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """A page that asks what to change on the selected tasks, and then does it."""
        tasks = list(queryset[:SELECTION_LIMIT])
        form = SelectionForm(request.POST if "apply" in request.POST else None)
        if form.is_bound and form.is_valid() and self._change_all(request, tasks, form):
            return None
        context = {
            **self.admin_site.each_context(request),
            "title": f"Change {len(tasks)} task{'' if len(tasks) == 1 else 's'}",
            "tasks": tasks,
            "form": form,
            "opts": self.opts,
            "media": self.media + form.media,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/tasks/task/change_selected.html", context)

    def _change_all(self, request: HttpRequest, tasks: list[Task], form: SelectionForm) -> bool:
        try:
            with refusals(Task, *self.written_beside):
                count = selections.tasks_change(
                    task_ids=[task.pk for task in tasks],
                    actor_id=actor_of(request),
                    **form.changes(),
                )
        except Refused as refused:
            form.add_error(None, ["Nothing was changed.", *refused.error.messages])
            return False
        same = len(tasks) - count
        note = f" {same} had it already." if same else ""
        messages.success(request, f"{_tasks(count)} changed.{note}")
        return True

    @admin.action(permissions=["delete"], description="Delete (can be undone)")
    def delete_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the selected tasks softly: the list of deleted ones can restore them."""
        self._apply(
            request, queryset, selections.tasks_delete, "deleted. The list “Deleted” has them"
        )

    @admin.action(permissions=["restore"], description="Restore", location=EVERYWHERE)
    def restore(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Bring the selected tasks back."""
        self._apply(request, queryset, selections.tasks_restore, "restored")

    def _apply(self, request: HttpRequest, rows: QuerySet[Any], service: Any, done: str) -> None:
        ids = [task.pk for task in rows[:SELECTION_LIMIT]]
        try:
            with refusals(Task, *self.written_beside):
                count = service(task_ids=ids, actor_id=actor_of(request))
        except Refused as refused:
            messages.error(request, f"Nothing was changed. {' '.join(refused.error.messages)}")
        else:
            messages.success(request, f"{_tasks(count)} {done}.")

    def events(self, obj: Task) -> QuerySet[Event]:
        return tenancy_selectors.task_events(task_id=obj.pk)


def _tasks(count: int) -> str:
    return f"{count} task{'' if count == 1 else 's'}"

"""Labels, comments and dependencies in the web admin, and what stands around a task."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin
from django.db.models import Prefetch, QuerySet
from django.db.models.functions import Lower
from django.http import HttpRequest
from django.utils.html import format_html

from taskproject.db.keyset import Keyset
from taskproject.tenancy.models import Role
from taskproject.tenancy.webadmin.filters import RelatedFilter
from taskproject.tenancy.webadmin.forms import ServiceForm
from taskproject.tenancy.webadmin.options import TenantModelAdmin, link_to_list, person
from taskproject.tenancy.webadmin.sites import actor_of, membership_of, tenant_site
from tasks import selectors
from tasks.models import Comment, Dependency, Label, Task
from tasks.services import relations

SHOWN: Final = 20


def around(task: Task) -> dict[str, Any]:
    """What hangs on a task, 20 of each kind and one more if there are more. Five statements."""
    comments = selectors.task_comments(task_id=task.pk).select_related("author").order_by("-id")
    return {
        "comments": list(comments[: SHOWN + 1]),
        "labels": list(selectors.task_labels(task_id=task.pk)),
        "children": _keyed(selectors.task_children(task_id=task.pk)),
        "blockers": _keyed(selectors.task_blockers(task_id=task.pk)),
        "blocks": _keyed(selectors.task_blocks(task_id=task.pk)),
        "shown": SHOWN,
    }


def _keyed(tasks: QuerySet[Task]) -> list[Task]:
    return list(tasks.select_related("project").defer("description", "search")[: SHOWN + 1])


def _task(name: str) -> Prefetch[str, QuerySet[Task], str]:
    narrow = Task.objects.defer("description", "search").select_related("project")
    return Prefetch(name, queryset=narrow)


def _called(task: Task) -> str:
    return f"{task.project.key}-{task.number} {task.title}"


@admin.register(Label, site=tenant_site)
class LabelAdmin(TenantModelAdmin):
    """Labels, by name."""

    add_role = change_role = delete_role = Role.ADMIN
    fields = ("name", "colour")
    list_display = ("name", "swatch", "tasks")
    order = Keyset(("folded",))
    search_fields = ("name",)
    search_help_text = "The beginning of a name."

    def get_queryset(self, request: HttpRequest) -> QuerySet[Label]:
        return Label.objects.annotate(folded=Lower("name"))  # index: label_name_uniq

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().lower().replace("\0", "")
        return queryset.filter(folded__startswith=term) if term else queryset, False

    @admin.display(description="colour")
    def swatch(self, label: Label) -> str:
        """The colour, to be seen and read. As an SVG, because the page allows no inline style."""
        return format_html(
            '<svg class="swatch" viewBox="0 0 10 10" aria-hidden="true"><rect width="10" '
            'height="10" rx="2" fill="{}"/></svg> {}',
            label.colour,
            label.colour,
        )

    @admin.display(description="tasks")
    def tasks(self, label: Label) -> str:
        """A link to the list of the tasks that carry it."""
        return format_html('<a href="{}">Tasks</a>', link_to_list(Task, label=label.pk))

    def write_new(self, request: HttpRequest, form: Any) -> Label:
        return relations.label_create(actor_id=actor_of(request), **form.values())

    def write_change(self, request: HttpRequest, obj: Label, form: Any) -> None:
        relations.label_update(label_id=obj.pk, actor_id=actor_of(request), **form.changes())

    def write_delete(self, request: HttpRequest, obj: Label) -> None:
        relations.label_delete(label_id=obj.pk, actor_id=actor_of(request))


class TaskOfCommentFilter(RelatedFilter):
    """Comments on one task."""

    title = "task"
    parameter_name = "task"
    source = (Comment, "task")


@admin.register(Comment, site=tenant_site)
class CommentAdmin(TenantModelAdmin):
    """Comments, newest first. Its author changes one, and so does an admin."""

    add_role = change_role = delete_role = Role.MEMBER
    list_display = ("excerpt", "on", "author", "created_at", "edited_at")
    list_per_page = 40  # a task and a person a row, see below
    list_prefetch = (_task("task"), person("author"))
    list_filter = (TaskOfCommentFilter,)
    filter_sets = (frozenset({"task"}),)  # comment_task_idx; comment_tpk without it
    autocomplete_fields = ("task",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("on", "body", "author", "created_at", "edited_at") if obj else ("task", "body")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("on", "author", "created_at", "edited_at") if obj else ()

    @admin.display(description="comment")
    def excerpt(self, comment: Comment) -> str:
        """Its beginning."""
        return comment.body if len(comment.body) <= 100 else f"{comment.body[:100]}…"

    @admin.display(description="task")
    def on(self, comment: Comment) -> str:
        """The task it is about."""
        return _called(comment.task)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request) and _speaks(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request) and _speaks(request, obj)

    def write_new(self, request: HttpRequest, form: Any) -> Comment:
        values = form.cleaned_data
        return relations.comment_add(
            task_id=values["task"].pk, body=values["body"], actor_id=actor_of(request)
        )

    def write_change(self, request: HttpRequest, obj: Comment, form: Any) -> None:
        body = form.cleaned_data["body"]
        relations.comment_edit(comment_id=obj.pk, body=body, actor_id=actor_of(request))

    def write_delete(self, request: HttpRequest, obj: Comment) -> None:
        relations.comment_delete(comment_id=obj.pk, actor_id=actor_of(request))


def _speaks(request: HttpRequest, comment: Comment | None) -> bool:
    if comment is None or membership_of(request).role >= Role.ADMIN:
        return True
    return comment.author_id == actor_of(request)


class BlockerFilter(RelatedFilter):
    """What waits for one task."""

    title = "blocker"
    parameter_name = "blocker"
    source = (Dependency, "blocker")


class BlockedFilter(RelatedFilter):
    """What one task waits for."""

    title = "blocked"
    parameter_name = "blocked"
    source = (Dependency, "blocked")


@admin.register(Dependency, site=tenant_site)
class DependencyAdmin(TenantModelAdmin):
    """Which task waits for which."""

    add_role = delete_role = Role.MEMBER
    form = ServiceForm
    fields = ("blocker", "blocked")
    list_display = ("waits", "waits_for")
    # Two tasks a row: PostgreSQL before 17 goes down the index for each of them by itself.
    list_per_page = 30
    list_display_links = ("waits", "waits_for")
    list_prefetch = (_task("blocked"), _task("blocker"))
    list_filter = (BlockedFilter, BlockerFilter)
    # dependency_blocked_idx and dependency_uniq find few rows, which are then sorted.
    filter_sets = (frozenset({"blocked"}), frozenset({"blocker"}))
    autocomplete_fields = ("blocker", "blocked")

    @admin.display(description="task")
    def waits(self, dependency: Dependency) -> str:
        """The task that waits."""
        return _called(dependency.blocked)

    @admin.display(description="waits for")
    def waits_for(self, dependency: Dependency) -> str:
        """The task that has to be done before."""
        return _called(dependency.blocker)

    def write_new(self, request: HttpRequest, form: Any) -> Dependency:
        return relations.dependency_add(actor_id=actor_of(request), **form.values())

    def write_delete(self, request: HttpRequest, obj: Dependency) -> None:
        relations.dependency_remove(
            blocker_id=obj.blocker_id, blocked_id=obj.blocked_id, actor_id=actor_of(request)
        )

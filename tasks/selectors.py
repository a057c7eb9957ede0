"""Reads of tasks and what hangs on them, in the active tenant. Deleted tasks are left out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from django.db.models import F, QuerySet
from django.db.models.functions import Lower

from taskproject.db.keyset import Keyset
from tasks.models import LIVE, OPEN, Comment, Dependency, Label, Status, Task

# The orders in which tasks are listed. Each ends with the id, and none sorts by a nullable column.
TASK_SORTS = {
    "created": Keyset(("created_at", "id")),
    "-created": Keyset(("created_at", "id"), descending=True),
}
# The orders of lists that have one only. Each belongs to the selector that it is named after.
DUE_ORDER: Final = Keyset(("due_at", "id"))
DELETED_ORDER: Final = Keyset(("deleted_at", "id"), descending=True)
LABELLED_ORDER: Final = Keyset(("labelled_id",), descending=True, twins=("id",))


def task_list(
    *,
    project_id: int | None = None,
    status: Status | None = None,
    assignee_id: int | None = None,
) -> QuerySet[Task]:
    """Live tasks, narrowed by what is given; put into an order by a keyset of TASK_SORTS.

    index: task_created_idx, task_status_idx, task_project_idx, task_board_idx, task_assignee_idx
    """
    tasks = Task.objects.filter(LIVE)
    if project_id is not None:
        tasks = tasks.filter(project_id=project_id)
    if status is not None:
        tasks = tasks.filter(status=status)
    if assignee_id is not None:
        tasks = tasks.filter(assignee_id=assignee_id)
    return tasks


def task_get(*, task_id: int) -> Task:
    """A live task with its project. One statement. Raises `Task.DoesNotExist`."""
    return Task.objects.select_related("project").filter(LIVE).get(pk=task_id)  # index: task_tpk


def task_is_live(*, task_id: int) -> bool:
    """Whether there is such a task, not deleted. One statement."""
    return Task.objects.filter(LIVE, pk=task_id).exists()  # index: task_tpk


def task_get_by_number(*, project_key: str, number: int) -> Task:
    """The live task `<project_key>-<number>`, with its project. Raises `Task.DoesNotExist`."""
    return (  # index: task_number_uniq
        Task.objects.select_related("project")
        .filter(LIVE)
        .get(project__key=project_key, number=number)
    )


def tasks_by_external_key(*, keys: Collection[str]) -> QuerySet[Task]:
    """Tasks of those external keys, deleted ones too: a key stays taken."""
    return Task.objects.filter(external_key__in=keys)  # index: task_external_key_uniq


def tasks_due(*, before: datetime | None = None) -> QuerySet[Task]:
    """Open live tasks with a due date, or due before a time, the most pressing first; paged by
    DUE_ORDER."""
    due = Task.objects.filter(LIVE, OPEN, due_at__isnull=False)  # index: task_due_idx
    if before is not None:
        due = due.filter(due_at__lt=before)
    return due.order_by("due_at", "id")


def tasks_deleted() -> QuerySet[Task]:
    """The deleted tasks; paged by DELETED_ORDER, the last one deleted first."""
    return Task.objects.filter(deleted_at__isnull=False)  # index: task_deleted_idx


def task_children(*, task_id: int) -> QuerySet[Task]:
    """The live tasks that are parts of a task."""
    return Task.objects.filter(  # index: task_parent_idx
        LIVE, parent_id=task_id
    ).order_by("id")


def project_has_active_tasks(*, project_id: int) -> bool:
    """Whether any live task of a project is active. One statement that stops at the first."""
    return (  # index: task_board_idx
        Task.objects.filter(LIVE, project_id=project_id, status=Status.ACTIVE).order_by().exists()
    )


def tasks_labelled(*, label_id: int) -> QuerySet[Task]:
    """The live tasks that carry a label; paged by LABELLED_ORDER, the newest id first.

    Each has its id once more as `labelled_id`, from the link, by whose index the tasks come in
    order.
    """
    return Task.objects.filter(  # index: task_label_uniq
        LIVE, task_labels__label_id=label_id
    ).annotate(labelled_id=F("task_labels__task_id"))


def label_list() -> QuerySet[Label]:
    """The labels, by name without regard to case."""
    return Label.objects.order_by(Lower("name"))  # index: label_name_uniq


def labels_by_name(*, names: Collection[str]) -> dict[str, Label]:
    """The labels of those names, by name in lower case. One statement."""
    wanted = {name.lower() for name in names}
    found = Label.objects.annotate(folded=Lower("name")).filter(folded__in=wanted)
    return {label.name.lower(): label for label in found}  # index: label_name_uniq


def task_labels(*, task_id: int) -> QuerySet[Label]:
    """The labels of a task, by name."""
    return Label.objects.filter(  # index: task_label_task_idx
        task_labels__task_id=task_id
    ).order_by(Lower("name"))


def task_comments(*, task_id: int) -> QuerySet[Comment]:
    """The comments on a task, oldest first."""
    return Comment.objects.filter(task_id=task_id).order_by("id")  # index: comment_task_idx


def task_blockers(*, task_id: int) -> QuerySet[Task]:
    """The live tasks that must be done before a task."""
    return Task.objects.filter(  # index: dependency_blocked_idx
        LIVE, blocks__blocked_id=task_id
    ).order_by("id")


def task_blocks(*, task_id: int) -> QuerySet[Task]:
    """The live tasks that wait for a task."""
    return Task.objects.filter(  # index: dependency_uniq
        LIVE, blocked_by__blocker_id=task_id
    ).order_by("id")


def dependency_exists(*, blocker_id: int, blocked_id: int) -> bool:
    """Whether one task blocks another directly."""
    return Dependency.objects.filter(  # index: dependency_uniq
        blocker_id=blocker_id, blocked_id=blocked_id
    ).exists()

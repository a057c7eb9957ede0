"""Reads of tasks and what hangs on them, in the active tenant. Deleted tasks are left out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.contrib.postgres.expressions import ArraySubquery
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Subquery, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat, Lower

from projects.models import Project
from taskproject.db.context import require_tenant_id
from taskproject.db.keyset import Keyset
from tasks.models import LIVE, OPEN, Comment, Dependency, Label, Priority, Status, Task, TaskLabel
from tasks.search import no_words, search_of

# The orders in which tasks are listed. Each ends with a unique column, and each is for the lists
# that have no null in it: `due` for tasks_due, `-priority` for tasks_open, `-deleted` for
# tasks_deleted, `number` for the tasks of one project.
TASK_SORTS: Final = {
    "created": Keyset(("created_at", "id")),
    "-created": Keyset(("created_at", "id"), descending=True),
    "due": Keyset(("due_at", "id")),
    "-priority": Keyset(("priority", "created_at", "id"), descending=True),
    "number": Keyset(("number",)),
    "-deleted": Keyset(("deleted_at", "id"), descending=True),
}
# The orders of the tasks of a label. They go by the columns of the link, which its index holds.
LABELLED_SORTS: Final = {
    "created": Keyset(("labelled_at", "labelled_id")),
    "-created": Keyset(("labelled_at", "labelled_id"), descending=True),
}
# The orders of what hangs on a task, and of labels.
LABEL_ORDER: Final = Keyset(("folded",))
COMMENT_ORDER: Final = Keyset(("id",))
BLOCKER_ORDER: Final = Keyset(("blocker_id",))
BLOCKED_ORDER: Final = Keyset(("blocked_id",))
TASK_EVENT_ORDER: Final = Keyset(("id",))
# The orders of lists that are narrowed to the ids which task_matches or label_matches has found.
MATCHED_SORTS: Final = {name: replace(each, sorts=True) for name, each in TASK_SORTS.items()}
# How many tasks a search, or a label beside filters that no index has with it, may find.
MATCHES_CAP: Final = 1000

# An id, or an expression that finds it in the same statement, such as a Subquery.
type Id = int | Combinable


class TooManyMatches(ValidationError):
    """A search found more tasks than the cap: it needs another word."""

    def __init__(self, cap: int) -> None:
        super().__init__(
            f"More than {cap:,} tasks match. Ask for fewer, with another word.",
            code="too-many-matches",
        )


def task_list(
    *,
    project_id: Id | None = None,
    status: Status | None = None,
    assignee_id: Id | None = None,
    parent_id: Id | None = None,
    priority: Priority | None = None,
    label_id: Id | None = None,
) -> QuerySet[Task]:
    """Live tasks, narrowed by what is given; put into an order by a keyset of TASK_SORTS.

    With a priority they are the open ones. With a label each has its time of making and its id once
    more, as `labelled_at` and `labelled_id`, from the link, by whose index they come in order: a
    keyset of LABELLED_SORTS pages them.

    index: task_created_idx, task_status_idx, task_project_idx, task_board_idx, task_assignee_idx,
    index: task_work_idx, task_parent_idx, task_priority_idx, task_number_uniq,
    index: task_label_created_idx
    """
    given = {
        "project_id": project_id,
        "status": status,
        "assignee_id": assignee_id,
        "parent_id": parent_id,
        "priority": priority,
    }
    tasks = Task.objects.filter(
        LIVE, **{name: value for name, value in given.items() if value is not None}
    )
    if priority is not None:
        tasks = tasks.filter(OPEN)
    if label_id is not None:
        tasks = tasks.filter(task_labels__label_id=label_id).annotate(
            labelled_at=F("task_labels__task_created_at"), labelled_id=F("task_labels__task_id")
        )
    return tasks


def tasks_open() -> QuerySet[Task]:
    """Open live tasks; paged by TASK_SORTS["-priority"], the most pressing first."""
    return Task.objects.filter(LIVE, OPEN)  # index: task_priority_idx


def task_get(*, task_id: int) -> Task:
    """A live task with its project. One statement. Raises `Task.DoesNotExist`."""
    return Task.objects.select_related("project").filter(LIVE).get(pk=task_id)  # index: task_tpk


def task_by_id(*, task_id: int) -> QuerySet[Task]:
    """The live task of an id, with its project and people."""
    tasks = Task.objects.select_related("project", "assignee", "creator")
    return tasks.filter(LIVE, pk=task_id)  # index: task_tpk


def task_by_key(*, project_key: str, number: int) -> QuerySet[Task]:
    """The live task of a project key and a number, with its project and people."""
    tasks = Task.objects.select_related("project", "assignee", "creator")
    return tasks.filter(  # index: task_number_uniq
        LIVE, project__key=project_key, number=number
    )


def task_id_of(*, key: tuple[str, int]) -> int:
    """The id of the live task of that project key and number. One statement. Raises
    `Task.DoesNotExist`."""
    found: int = (  # index: task_number_uniq
        Task.objects.filter(LIVE)
        .values_list("id", flat=True)
        .get(project__key=key[0], number=key[1])
    )
    return found


def task_is_live(*, task_id: int) -> bool:
    """Whether there is such a task, not deleted. One statement."""
    return Task.objects.filter(LIVE, pk=task_id).exists()  # index: task_tpk


def tasks_due(*, before: datetime | None = None) -> QuerySet[Task]:
    """Open live tasks with a due date, or due before a time, the most pressing first; paged by
    TASK_SORTS["due"]."""
    due = Task.objects.filter(LIVE, OPEN, due_at__isnull=False)  # index: task_due_idx
    if before is not None:
        due = due.filter(due_at__lt=before)
    return due.order_by("due_at", "id")


def tasks_deleted() -> QuerySet[Task]:
    """The deleted tasks; paged by TASK_SORTS["-deleted"], the last one deleted first."""
    return Task.objects.filter(deleted_at__isnull=False)  # index: task_deleted_idx


def task_children(*, task_id: int) -> QuerySet[Task]:
    """The live tasks that are parts of a task, the oldest first."""
    return Task.objects.filter(  # index: task_parent_idx
        LIVE, parent_id=task_id
    ).order_by("created_at", "id")


def project_has_active_tasks(*, project_id: int) -> bool:
    """Whether any live task of a project is active. One statement that stops at the first."""
    return (  # index: task_board_idx
        Task.objects.filter(LIVE, project_id=project_id, status=Status.ACTIVE).order_by().exists()
    )


# Each row tells how many terms there are: none if PostgreSQL takes no part of the text for a word.
_MATCHES: Final = """
    SELECT numnode(wanted.words), found.id, found.has_phrases
      FROM (VALUES (plainto_tsquery('simple', %s) && lower(%s)::tsquery, to_tsquery('simple', %s)))
           AS wanted (words, phrases)
      LEFT JOIN LATERAL task_matches(wanted.words, wanted.phrases, %s) AS found ON true
"""


def task_matches(*, words: str) -> list[int]:
    """The ids of the live tasks that have all the words in their title or description.

    `words` are words (`login`), the beginnings of some (`log*`) and phrases (`"log in"`). One
    statement, by the function of the database that alone can use task_search_idx. Raises
    `ValidationError` for a text that can't be looked for, as `search_of` says, and `TooManyMatches`
    if more than MATCHES_CAP tasks have all the words, whether a phrase keeps them together or not.
    """
    search = search_of(words)
    wanted: list[str | int] = [search.words, search.prefixes, search.phrases, MATCHES_CAP + 1]
    require_tenant_id()
    with connection.cursor() as cursor:  # index: task_search_idx
        cursor.execute(_MATCHES, wanted)
        rows = cursor.fetchall()
    if not rows[0][0]:
        raise no_words()
    found = _at_most(MATCHES_CAP, [(pk, fits) for _, pk, fits in rows if pk is not None])
    return [pk for pk, fits in found if fits]


def label_matches(*, label_id: Id) -> list[int]:
    """The ids of the tasks that carry a label, deleted ones too, the oldest first. One statement.

    For lists of a label by a filter or in an order that no index has together with it: they are
    narrowed to these. Raises `TooManyMatches` if there are more than MATCHES_CAP.
    """
    links = TaskLabel.objects.filter(label_id=label_id).order_by("task_created_at", "task_id")
    found = links.values_list("task_id", flat=True)[: MATCHES_CAP + 1]
    return _at_most(MATCHES_CAP, list(found))  # index: task_label_created_idx


def _at_most[T](cap: int, found: list[T]) -> list[T]:
    if len(found) > cap:
        raise TooManyMatches(cap)
    return found


def task_require(*, task_id: int) -> None:
    """Raise `Task.DoesNotExist` unless there is such a task, deleted or not. One statement."""
    if not Task.objects.filter(pk=task_id).exists():  # index: task_tpk
        raise Task.DoesNotExist("The task does not exist.")


@dataclass(frozen=True, slots=True)
class TaskSummary:
    """Counts of live tasks, each one beyond the limit at most."""

    by_status: dict[Status, int]
    overdue: int
    mine: int


_CAPPED: Final = (
    "(SELECT count(*) FROM (SELECT 1 FROM task WHERE tenant_id = %(tenant)s"
    " AND deleted_at IS NULL AND {} LIMIT %(limit)s + 1) AS capped)"
)
_SUMMARY: Final = "SELECT " + ", ".join(
    _CAPPED.format(condition)
    for condition in (
        *(f"status = {status.value}" for status in Status),
        "status < 3 AND due_at IS NOT NULL AND due_at < now()",
        "status < 3 AND assignee_id IS NOT NULL AND assignee_id = %(user)s",
    )
)


def task_summary(*, user_id: int, limit: int) -> TaskSummary:
    """How many live tasks are in each status, how many open ones are overdue, and how many open
    ones are a user's. One statement; each count stops beyond `limit`.

    index: task_status_idx, task_due_idx, task_work_idx
    """
    values = {"tenant": require_tenant_id(), "user": user_id, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(_SUMMARY, values)
        *by_status, overdue, mine = cursor.fetchone()
    return TaskSummary(dict(zip(Status, by_status, strict=True)), overdue, mine)


def label_by_id(*, label_id: int) -> QuerySet[Label]:
    """The label of an id."""
    return Label.objects.filter(pk=label_id)  # index: label_tpk


def comment_by_id(*, task_id: int, comment_id: int) -> QuerySet[Comment]:
    """The comment of an id on a live task, with its author."""
    return Comment.objects.select_related("author").filter(  # index: comment_tpk
        pk=comment_id, task_id=task_id, task__deleted_at__isnull=True
    )


def label_list() -> QuerySet[Label]:
    """The labels, each with its name in lower case as `folded`; paged by LABEL_ORDER."""
    return Label.objects.annotate(folded=Lower("name"))  # index: label_name_uniq


def external_keys_taken(*, keys: Collection[str]) -> QuerySet[Task, str | None]:
    """Those of some external keys that a task has, also a deleted one."""
    found = Task.objects.filter(external_key__in=keys)  # index: task_external_key_uniq
    return found.values_list("external_key", flat=True)


def tasks_exported() -> QuerySet[Task, tuple[Any, ...]]:
    """What an export tells of the live tasks, in the order of their ids: project key, number,
    external key, title, description, status, priority, names of creator and assignee, of labels in
    any order, and the times of making, completion and last change."""
    links = TaskLabel.objects.filter(task_id=OuterRef("pk"))  # index: task_label_uniq
    label = label_alone(label_id=OuterRef("label_id"))
    names = links.annotate(name=Subquery(label.values("name"))).values("name")
    tasks = Task.objects.filter(LIVE).order_by("id")  # index: task_tpk
    return tasks.annotate(label_names=ArraySubquery(names)).values_list(
        "project__key",
        "number",
        "external_key",
        "title",
        "description",
        "status",
        "priority",
        "creator__username",
        "assignee__username",
        "label_names",
        "created_at",
        "completed_at",
        "updated_at",
    )


def task_labels(*, task_id: Id) -> QuerySet[Label]:
    """The labels of a task, by name."""
    return Label.objects.filter(  # index: task_label_uniq
        task_labels__task_id=task_id
    ).order_by(Lower("name"))


def task_label_links(*, task_id: Id) -> QuerySet[TaskLabel]:
    """The links of a task to its labels."""
    return TaskLabel.objects.filter(task_id=task_id)  # index: task_label_uniq


def label_alone(*, label_id: Id) -> QuerySet[Label]:
    """The label of an id with its name in lower case as `folded`, for where it is looked up amid
    another statement.

    By a range and a limit, and not by equality: where tenants have one label each on average, or
    nobody has counted them yet, label_name_uniq promises one row as well, and PostgreSQL would read
    all labels of a tenant that has many, again for each task (163,151 pages of 8 KiB for 50).
    """
    labels = label_list().filter(id__range=(label_id, label_id))  # index: label_tpk
    return labels.order_by("id")[:1]


def live_task_labels(*, task_id: int) -> QuerySet[Label]:
    """The same for a live task: a deleted one has none."""
    return task_labels(task_id=task_id).filter(_are_live(task_id))


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


def dependencies_of(
    *, blocked_id: Id | None = None, blocker_id: Id | None = None
) -> QuerySet[Dependency]:
    """What a task waits for, paged by BLOCKER_ORDER, or what waits for it, by BLOCKED_ORDER.

    One of the two is given. Each dependency comes with the names of both tasks among people,
    `blocker_key` and `blocked_key`; one of a task that has been deleted is left out.

    index: dependency_blocked_idx, dependency_uniq
    """
    found = Dependency.objects.annotate(
        blocker_key=_key_of("blocker_id"), blocked_key=_key_of("blocked_id")
    )
    if blocked_id is not None:
        return found.filter(_are_live(blocked_id, OuterRef("blocker_id")), blocked_id=blocked_id)
    return found.filter(_are_live(blocker_id, OuterRef("blocked_id")), blocker_id=blocker_id)


def _key_of(column: str) -> Subquery:
    # A subquery in a subquery, and no join: see taskproject.db.names.
    project = Subquery(Project.objects.filter(pk=OuterRef("project_id")).values("key")[:1])
    number = Cast("number", TextField())
    key = Concat(project, Value("-"), number, output_field=TextField())
    return Subquery(Task.objects.filter(pk=OuterRef(column)).values(key=key)[:1])


def _are_live(*ids: Any) -> Q:
    """Whether all of the tasks are there. A plain id is asked for once, and not for each row."""
    return Q(*(Exists(Task.objects.filter(LIVE, pk=each)) for each in ids))


def dependency_exists(*, blocker_id: int, blocked_id: int) -> bool:
    """Whether one task blocks another directly."""
    return Dependency.objects.filter(  # index: dependency_uniq
        blocker_id=blocker_id, blocked_id=blocked_id
    ).exists()

"""The lists of tasks and of what hangs on them: each with its filters, sorts, index and budgets.

Plan tests hold every entry to what it says: `tasks/tests/test_api_plans.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db.models import QuerySet

from projects.models import Project
from taskproject.api.problems import InvalidParameter
from taskproject.api.registry import Access, Asked, Listing
from taskproject.db.fields import STOPS_EARLY, StopsEarly
from taskproject.db.keyset import Keyset
from taskproject.db.names import Name
from taskproject.tenancy.api.authentication import ME
from taskproject.tenancy.models import Event, User
from taskproject.tenancy.selectors import task_events
from tasks import selectors
from tasks.api import parameters
from tasks.models import OPEN, Comment, Dependency, Label, Task
from tasks.search import NotSearchable
from tasks.selectors import LABELLED_SORTS, MATCHED_SORTS, TASK_SORTS, Id

_CREATED: Final = {"created_after": "lower", "created_before": "upper"}
_DUE: Final = {"due_after": "lower", "due_before": "upper"}
_BY_TIME: Final = {name: TASK_SORTS[name] for name in ("-created", "created")}
_SORTED_BY_TIME: Final = {name: MATCHED_SORTS[name] for name in _BY_TIME}
_NAMES: Final = (Name("project", "key"), Name("assignee", "username"), Name("creator", "username"))


def _narrowed(asked: Asked) -> dict[str, Any]:
    """The arguments of `task_list` for the filters that were given."""
    given = asked.values
    found: dict[str, Any] = {
        f"{name}_id": given[name] for name in ("label", "parent") if name in given
    }
    found |= {name: given[name] for name in ("status", "priority") if name in given}
    if (project := asked.place.get("project", given.get("project"))) is not None:
        found["project_id"] = project_of(project)
    if "assignee" in given:
        found["assignee_id"] = _person(given["assignee"], asked.actor_id)
    return found


def project_of(key: str) -> Id:
    """The id of a project by its key, found in the statement that uses it."""
    return Project.objects.filter(key=key).values("id")[:1]  # type: ignore[return-value]


def _person(username: str, actor_id: int) -> Id:
    if username == ME:
        return actor_id
    return User.objects.filter(username=username).values("id")[:1]  # type: ignore[return-value]


def _tasks(asked: Asked) -> QuerySet[Task]:
    return selectors.task_list(**_narrowed(asked))


def _numbered(asked: Asked) -> QuerySet[Task]:
    """The tasks of a project for the order of their numbers. Where PostgreSQL expects a project to
    have few, it might else fetch all and sort them: 93,748 pages of 8 KiB, once, for a project of
    the largest of 152 tenants."""
    return _tasks(asked).annotate(**{STOPS_EARLY: StopsEarly()})


def _due(asked: Asked) -> QuerySet[Task]:
    return selectors.tasks_due().order_by()


def _open(asked: Asked) -> QuerySet[Task]:
    return selectors.tasks_open()


def _deleted(asked: Asked) -> QuerySet[Task]:
    return selectors.tasks_deleted()


def _found(asked: Asked) -> QuerySet[Task]:
    """The tasks that a search finds, narrowed by the other filters. One statement before the page.

    Raises `InvalidParameter` for a text that can't be searched, `TooManyMatches` beyond the cap.
    """
    try:
        ids = selectors.task_matches(words=asked.values["q"])
    except NotSearchable as error:
        raise InvalidParameter(f"q: {' '.join(error.messages)}") from error
    return _among(ids, asked)


def _labelled(asked: Asked) -> QuerySet[Task]:
    """The tasks that carry a label, narrowed by filters that no index has with it. One statement
    before the page. Raises `TooManyMatches` for a label of more tasks than the cap."""
    return _among(selectors.label_matches(label_id=asked.values["label"]), asked)


def _among(ids: list[int], asked: Asked) -> QuerySet[Task]:
    tasks = selectors.task_list(**_narrowed(asked)).filter(pk__in=ids)
    if "due_after" in asked.values:
        tasks = tasks.filter(OPEN, due_at__gte=asked.values["due_after"])
    if "due_before" in asked.values:
        tasks = tasks.filter(OPEN, due_at__lt=asked.values["due_before"])
    return tasks


def _walk(
    index: str,
    *filters: str,
    sorts: Mapping[str, Keyset] = _BY_TIME,
    ranges: Mapping[str, str] = _CREATED,
    rows: Callable[[Asked], QuerySet[Any]] = _tasks,
    table: str = "task",
    bounds: tuple[str, ...] | None = None,
    note: str = "",
) -> Access:
    """A list whose index gives the tasks in order, narrowed by columns named like the filters
    unless `bounds` names them."""
    narrowed = ("tenant_id", *(_COLUMNS.get(name, name) for name in filters))
    return Access(
        filters=frozenset(filters),
        index=index,
        sorts=sorts,
        ranges=ranges,
        rows=rows,
        table=table,
        bounds=bounds or narrowed,
        names=_NAMES,
        buffers=TASK_BUFFERS,
        note=note,
    )


# For each of 51 tasks some 4 pages of 8 KiB, and 3 for each of the names of its project, assignee
# and creator.
TASK_BUFFERS: Final = 700

_COLUMNS: Final = {name: f"{name}_id" for name in ("project", "assignee", "parent", "label")}
_ALSO: Final = frozenset(
    {"project", "status", "assignee", "label", "priority", "parent", "due_after", "due_before"}
)


def _matched(index: str, name: str, rows: Callable[[Asked], QuerySet[Any]], **more: Any) -> Access:
    """A list that is found as a set of limited size, then narrowed and sorted."""
    return Access(
        filters=frozenset({name}),
        optional=_ALSO - {name},
        index=index,
        rows=rows,
        sorts=_SORTED_BY_TIME,
        names=_NAMES,
        ranges=_CREATED,
        table="task",
        matches=True,
        statements=2,
        buffers=MATCH_BUFFERS,
        **more,
    )


# Up to 3 pages of 8 KiB for each task that may match, and 5 to read and sort it. Words that nearly
# all tasks have cost a little more to refuse: see docs/indexes.md.
MATCH_BUFFERS: Final = 8 * selectors.MATCHES_CAP

TASKS: Final = Listing(
    name="tasks",
    default_sort="-created",
    filters={
        "project": parameters.PROJECT,
        "status": parameters.STATUS,
        "assignee": parameters.ASSIGNEE,
        "label": parameters.LABEL,
        "priority": parameters.PRIORITY,
        "due_before": parameters.DUE_BEFORE,
        "due_after": parameters.DUE_AFTER,
        "created_after": parameters.CREATED_AFTER,
        "created_before": parameters.CREATED_BEFORE,
        "parent": parameters.PARENT,
        "deleted": parameters.DELETED,
        "q": parameters.Q,
    },
    accesses=(
        _walk("task_created_idx"),
        _walk("task_status_idx", "status"),
        _walk("task_project_idx", "project"),
        _walk("task_board_idx", "project", "status"),
        _walk("task_assignee_idx", "assignee"),
        _walk("task_work_idx", "assignee", "status"),
        _walk("task_parent_idx", "parent"),
        _walk("task_priority_idx", "priority", note="Open tasks only."),
        _walk("task_label_created_idx", "label", sorts=LABELLED_SORTS, table="task_label"),
        _walk(
            "task_due_idx",
            sorts={"due": TASK_SORTS["due"]},
            ranges=_DUE,
            rows=_due,
            note="Open tasks that have a due date, the most pressing first.",
        ),
        _walk(
            "task_priority_idx",
            sorts={"-priority": TASK_SORTS["-priority"]},
            ranges={},
            rows=_open,
            note="Open tasks, the most urgent first and among equals the newest.",
        ),
        _walk(
            "task_number_uniq",
            "project",
            sorts={"number": TASK_SORTS["number"]},
            ranges={},
            rows=_numbered,
        ),
        _walk(
            "task_deleted_idx",
            "deleted",
            sorts={"-deleted": TASK_SORTS["-deleted"]},
            ranges={},
            rows=_deleted,
            bounds=("tenant_id",),
        ),
        _matched("task_search_idx", "q", _found, note="At most 1,000 tasks may match the words."),
        _matched(
            "task_label_created_idx",
            "label",
            _labelled,
            note="With filters that no index has together with a label: of a label that at most "
            "1,000 tasks carry.",
        ),
    ),
)

# The same, for the tasks of the project in the address.
PROJECT_TASKS: Final = Listing(
    name="project-tasks",
    default_sort="-created",
    filters={
        name: each
        for name, each in TASKS.filters.items()
        if name in ("status", "created_after", "created_before")
    },
    accesses=(
        _walk("task_project_idx", bounds=("tenant_id", "project_id")),
        _walk("task_board_idx", "status", bounds=("tenant_id", "project_id", "status")),
        _walk(
            "task_number_uniq",
            sorts={"number": TASK_SORTS["number"]},
            ranges={},
            rows=_numbered,
            bounds=("tenant_id", "project_id"),
        ),
    ),
)


def _labels(asked: Asked) -> QuerySet[Label]:
    return selectors.label_list()


def _comments(asked: Asked) -> QuerySet[Comment]:
    comments = selectors.task_comments(task_id=asked.place["task"]).order_by()
    return comments.filter(task__deleted_at__isnull=True)


def _blockers(asked: Asked) -> QuerySet[Dependency]:
    return selectors.dependencies_of(blocked_id=asked.place["task"])


def _blocked(asked: Asked) -> QuerySet[Dependency]:
    return selectors.dependencies_of(blocker_id=asked.place["task"])


def _events(asked: Asked) -> QuerySet[Event]:
    return task_events(task_id=asked.place["task"]).order_by()


LABELS: Final = Listing(
    name="labels",
    default_sort="name",
    accesses=(
        Access(
            index="label_name_uniq",
            sorts={"name": selectors.LABEL_ORDER},
            rows=_labels,
            table="label",
            note="By name, without regard to case.",
        ),
    ),
)
COMMENTS: Final = Listing(
    name="comments",
    default_sort="created",
    accesses=(
        Access(
            index="comment_task_idx",
            sorts={"created": selectors.COMMENT_ORDER},
            rows=_comments,
            table="comment",
            names=(Name("author", "username"),),
            bounds=("tenant_id", "task_id"),
        ),
    ),
)
DEPENDENCIES: Final = Listing(
    name="dependencies",
    default_sort="task",
    filters={"direction": parameters.DIRECTION},
    accesses=(
        Access(
            index="dependency_blocked_idx",
            sorts={"task": selectors.BLOCKER_ORDER},
            rows=_blockers,
            table="dependency",
            buffers=2 * TASK_BUFFERS,  # the names of two tasks, each with its project
            bounds=("tenant_id", "blocked_id"),
            note="What the task waits for.",
        ),
        Access(
            index="dependency_uniq",
            filters=frozenset({"direction"}),
            sorts={"task": selectors.BLOCKED_ORDER},
            rows=_blocked,
            table="dependency",
            buffers=2 * TASK_BUFFERS,  # the names of two tasks, each with its project
            bounds=("tenant_id", "blocker_id"),
            note="What waits for the task.",
        ),
    ),
)
EVENTS: Final = Listing(
    name="task-events",
    default_sort="created",
    accesses=(
        Access(
            index="event_task_idx",
            sorts={"created": selectors.TASK_EVENT_ORDER},
            rows=_events,
            table="event",
            names=(Name("actor", "username"),),
            bounds=("tenant_id", "task_id"),
        ),
    ),
)
LISTINGS: Final = {
    each.name: each for each in (TASKS, PROJECT_TASKS, LABELS, COMMENTS, DEPENDENCIES, EVENTS)
}

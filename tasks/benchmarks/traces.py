"""What a write has left behind in a tenant: the state that all ways of a pair have to agree in.

Ids and times are left out: sequences go on after a rollback, and no two calls happen at once. That
`completed_at` and `deleted_at` are set at all is told.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import psycopg
from django.db import connection
from django.db.models import Max, Q

from perf import Pair
from projects.models import Project
from taskproject.tenancy.models import Event
from tasks.benchmarks.datasets import TASKS
from tasks.models import Task

_TASK: Final = (
    "project_id", "number", "title", "description", "status", "priority", "assignee_id",
    "creator_id", "parent_id", "due_at", "external_key", "version",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mark:
    """The last ids of the active tenant's tasks and events: what is beyond them has come later."""

    task_id: int
    event_id: int

    @classmethod
    def now(cls) -> Mark:
        """Where the active tenant stands. Two statements."""
        return cls(_last(Task), _last(Event))


def traces(mark: Mark, *, changed: Collection[int] = ()) -> list[Any]:
    """The tasks of the active tenant that came since the mark or are named by their ids, the events
    that came since, and the next numbers of all projects. Three statements."""
    found = Task.objects.filter(Q(id__gt=mark.task_id) | Q(id__in=changed))
    times: Any = {"done": Q(completed_at__isnull=False), "deleted": Q(deleted_at__isnull=False)}
    rows = found.order_by("project_id", "number").annotate(**times)
    tasks = list(rows.values_list("id", *_TASK, *times))
    places = {pk: list(rest[:2]) for pk, *rest in tasks}
    told = Event.objects.filter(id__gt=mark.event_id)
    events = [
        [kind, places.get(task_id), project_id, actor_id, said]
        for kind, task_id, project_id, actor_id, said in told.order_by("id").values_list(
            "kind", "task_id", "project_id", "actor_id", "changes"
        )
    ]
    numbers = Project.objects.order_by("id").values_list("id", "next_number")
    return [*(list(rest) for _, *rest in tasks), *sorted(events, key=str), *map(list, numbers)]


def _last(model: Any) -> int:
    return int(model.objects.aggregate(last=Max("id"))["last"] or 0)


class WritingPair(Pair):
    """A pair whose rolled-back rows are cleared away at its end, so that those which read the same
    tables in the same run do not step over them."""

    tables: ClassVar[tuple[str, ...]] = ("task", "event", "project")

    def tear_down(self) -> None:
        if not self.tables:
            return
        with TASKS.as_owner(), connection.cursor() as cursor:
            cursor.execute(self.vacuum)

    @property
    def vacuum(self) -> str:
        """What clears them away. The schema's owner may do it."""
        return f"VACUUM (INDEX_CLEANUP ON) {', '.join(self.tables)}"


class ClearedPair(WritingPair):
    """A pair so large that its rows are cleared away after each call: ten thousand dead ones would
    be stepped over by all calls that follow."""

    def set_up(self) -> None:
        super().set_up()
        self.owner = _owner_connection()

    def tear_down(self) -> None:
        self.owner.close()
        super().tear_down()

    def clear(self) -> None:
        self.owner.execute(self.vacuum)


def _owner_connection() -> psycopg.Connection[Any]:
    """The schema's owner beside Django's connection, which stays as it is, and warm."""
    place: Any = connection.settings_dict
    return psycopg.connect(
        host=place["HOST"],
        port=place["PORT"] or None,
        dbname=place["NAME"],
        user=place["OWNER"]["USER"],
        password=place["OWNER"]["PASSWORD"],
        autocommit=True,
    )

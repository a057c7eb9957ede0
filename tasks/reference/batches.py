"""Ways to make and to change many tasks, beside the limit that PostgreSQL itself sets.

Each way writes the same: tasks with their numbers, and an event for each. It begins with plain
values and ends with COMMIT. What it left behind is cleared away, outside of the time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

import psycopg
from django.db import connection, transaction
from django.db.models import F

from projects.models import Project
from projects.services import numbers_take
from taskproject.db.context import require_tenant_id
from taskproject.db.timeouts import statement_timeout
from taskproject.tenancy.models import Event, EventKind, Membership
from tasks.dataset.seeding.loading import copy_statement
from tasks.dataset.seeding.tables import COLUMNS
from tasks.models import LIVE, Priority, Status, Task
from tasks.services.batches.change import bulk_update
from tasks.services.batches.create import bulk_create

SLOW_SHARE: Final = 10  # a way that goes row by row gets one row in so many
_TEXTS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Way:
    """One way to do the work: `ready` makes what is to be timed, of so many rows."""

    name: str
    ready: Callable[[int], Callable[[], object]]
    share: int = 1

    def timed(self, rows: int) -> float:
        """Seconds for each row."""
        number = max(1, rows // self.share)
        work = self.ready(number)
        start = time.perf_counter()
        work()
        return (time.perf_counter() - start) / number


@dataclass(frozen=True, slots=True)
class Work:
    """What is measured: how many rows, by which ways, and which of them are told beside which."""

    name: str
    rows: int
    ways: tuple[Way, ...]
    ratios: tuple[tuple[str, str], ...]
    clear: Callable[[], object]


class Stage:
    """A tenant with texts for new tasks, and a connection of the schema's owner."""

    def __init__(self, owner: psycopg.Connection[Any]) -> None:
        self.owner = owner
        self.tenant_id = require_tenant_id()
        members = Membership.objects.filter(tenant_id=self.tenant_id, active=True).order_by("id")
        self.people = list(members.values_list("user_id", flat=True))
        projects = Project.objects.filter(archived_at=None).order_by("id")
        self.projects = list(projects.values_list("id", flat=True))
        texts = Task.objects.filter(LIVE).order_by("id").values("title", "description", "priority")
        self.texts = list(texts[:_TEXTS])
        self.last = {table: self._last(table) for table in ("task", "event")}

    def _last(self, table: str) -> int:
        row = self.owner.execute(f"SELECT coalesce(max(id), 0) FROM {table}").fetchone()
        return int(row[0]) if row else 0

    def items(self, number: int) -> list[dict[str, Any]]:
        """Values of new tasks: two in three have an assignee, one in two a due date."""
        due_at = datetime(2027, 3, 31, 16, tzinfo=UTC)
        return [
            {
                **self.texts[n % len(self.texts)],
                "project_id": self.projects[n % len(self.projects)],
                "assignee_id": self.people[n % len(self.people)] if n % 3 else None,
                "due_at": due_at if n % 2 else None,
            }
            for n in range(number)
        ]

    def clear(self) -> None:
        """Take away all rows that came since the beginning, and what PostgreSQL kept of them."""
        for table in ("event", "task"):
            self.owner.execute(f"DELETE FROM {table} WHERE id > %s", [self.last[table]])
        for table in ("task", "event", "project"):
            self.owner.execute(f"VACUUM {table}")


@contextmanager
def owner_connection() -> Iterator[psycopg.Connection[Any]]:
    """A connection of the owner of the schema, in autocommit, beside Django's own."""
    place: Any = connection.settings_dict
    owner = place["OWNER"]
    with psycopg.connect(
        host=place["HOST"],
        port=place["PORT"] or None,
        dbname=place["NAME"],
        user=owner["USER"],
        password=owner["PASSWORD"],
        autocommit=True,
    ) as opened:
        yield opened


# --- Create ---------------------------------------------------------------------------------------


def create(stage: Stage, rows: int) -> Work:
    """Making tasks."""
    return Work(
        f"create {rows:,} tasks",
        rows,
        (
            Way("COPY", lambda n: copied(stage, n, events=True, at_once=n)),
            Way("COPY, no events", lambda n: copied(stage, n, events=False, at_once=n)),
            Way("bulk_create", lambda n: _ours(stage, n)),
            Way("Django's", lambda n: _djangos(stage, n)),
            Way("save()", lambda n: _saves(stage, n), share=SLOW_SHARE),
        ),
        (("bulk_create", "COPY"), ("Django's", "bulk_create"), ("save()", "bulk_create")),
        stage.clear,
    )


def copied(stage: Stage, number: int, *, events: bool, at_once: int) -> Callable[[], object]:
    """COPY by the owner of rows that are ready as text: the tasks, and their events, so many in a
    transaction."""
    tasks, told = _lines(stage, stage.items(number))
    ready = [
        tuple("".join(lines[start : start + at_once]).encode() for lines in (tasks, told))
        for start in range(0, number, at_once)
    ]

    def work() -> None:
        for some_tasks, their_events in ready:
            with stage.owner.transaction(), stage.owner.cursor() as cursor:
                with cursor.copy(copy_statement("task")) as copy:
                    copy.write(some_tasks)
                if events:
                    with cursor.copy(copy_statement("event")) as copy:
                        copy.write(their_events)

    return work


def _lines(stage: Stage, items: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    now = datetime.now(UTC)
    ids = {table: count(stage._last(table) + 10_000_000) for table in ("task", "event")}
    numbers = count(1_000_000_000)
    tasks, events = [], []
    for item in items:
        values = {
            **item,
            "id": next(ids["task"]),
            "tenant_id": stage.tenant_id,
            "number": next(numbers),
            "status": 0,
            "creator_id": stage.people[0],
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }
        tasks.append(_line("task", values))
        changes = json.dumps({"title": item["title"], "status": "pending"}, ensure_ascii=False)
        event = {
            "id": next(ids["event"]),
            "tenant_id": stage.tenant_id,
            "task_id": values["id"],
            "project_id": item["project_id"],
            "actor_id": stage.people[0],
            "kind": EventKind.TASK_CREATED.value,
            "changes": changes,
            "created_at": now,
        }
        events.append(_line("event", event))
    return tasks, events


_ESCAPED: Final = str.maketrans({"\\": r"\\", "\n": r"\n", "\r": r"\r", "\t": r"\t"})


def _line(table: str, values: dict[str, Any]) -> str:
    cells = (values.get(name) for name in COLUMNS[table])
    return "\t".join(r"\N" if v is None else str(v).translate(_ESCAPED) for v in cells) + "\n"


def _ours(stage: Stage, number: int) -> Callable[[], object]:
    items = stage.items(number)

    def work() -> None:
        with statement_timeout(None):
            bulk_create(items, actor_id=stage.people[0])

    return work


def _numbered(stage: Stage, items: list[dict[str, Any]]) -> Iterator[Task]:
    """Instances with the numbers that their projects give."""
    wanted: dict[int, int] = {}
    for item in items:
        wanted[item["project_id"]] = wanted.get(item["project_id"], 0) + 1
    numbers = {
        project: count(numbers_take(project_id=project, count=wanted[project]))
        for project in sorted(wanted)
    }
    for item in items:
        yield Task(**item, creator_id=stage.people[0], number=next(numbers[item["project_id"]]))


def _created(task: Task) -> Event:
    return Event(
        kind=EventKind.TASK_CREATED,
        task_id=task.pk,
        project_id=task.project_id,
        actor_id=task.creator_id,
        changes={"title": task.title, "status": Status(task.status).label},
    )


def _djangos(stage: Stage, number: int) -> Callable[[], object]:
    """`bulk_create` of Django for the tasks, and again for the events."""
    items = stage.items(number)

    def work() -> None:
        with statement_timeout(None):
            made = Task.objects.bulk_create(_numbered(stage, items), batch_size=5_000)
            Event.objects.bulk_create(map(_created, made), batch_size=5_000)

    return work


def _saves(stage: Stage, number: int) -> Callable[[], object]:
    """`save()` of each, in one transaction."""
    items = stage.items(number)

    def work() -> None:
        with statement_timeout(None):
            for task in _numbered(stage, items):
                task.save(force_insert=True)
                _created(task).save(force_insert=True)

    return work


# --- Update ---------------------------------------------------------------------------------------

_TABLE: Final = "benchmark_changes"
_UPDATE: Final = f"""
    WITH changed AS (
        UPDATE task
           SET title = new.title, priority = new.priority, version = task.version + 1,
               updated_at = now()
          FROM {_TABLE} AS new
         WHERE task.tenant_id = %(tenant)s AND task.id = new.id
        RETURNING task.id, task.project_id, task.title, task.priority
    )
"""
_UPDATE_ONLY: Final = _UPDATE + "SELECT count(*) FROM changed"
_UPDATE_AND_TELL: Final = (
    _UPDATE
    + """
    INSERT INTO event (tenant_id, task_id, project_id, actor_id, kind, changes)
    SELECT %(tenant)s, id, project_id, %(actor)s, %(kind)s,
           jsonb_build_object('title', jsonb_build_array(title, title),
                              'priority', jsonb_build_array(priority, priority))
      FROM changed
"""
)


def update(stage: Stage, rows: int) -> Work:
    """Giving tasks a title and a priority of their own."""
    return Work(
        f"update {rows:,} tasks",
        rows,
        (
            Way("UPDATE FROM", lambda n: _server_side(stage, n, _UPDATE_AND_TELL)),
            Way("UPDATE, no events", lambda n: _server_side(stage, n, _UPDATE_ONLY)),
            Way("bulk_update", lambda n: _our_update(stage, n)),
            Way("Django's", lambda n: _djangos_update(stage, n)),
            Way("save()", lambda n: _get_set_save(stage, n), share=SLOW_SHARE),
        ),
        (
            ("bulk_update", "UPDATE FROM"),
            ("bulk_update", "UPDATE, no events"),
            ("Django's", "bulk_update"),
            ("save()", "bulk_update"),
        ),
        stage.clear,
    )


_TIMES: Final = count(1)


def _changes(number: int) -> list[dict[str, Any]]:
    """Another title and priority than before for each of the newest tasks, in no order."""
    tasks = Task.objects.filter(LIVE).order_by("-id").values_list("id", "priority")[:number]
    times = next(_TIMES)
    return [
        {"id": pk, "title": f"Renamed {times} times: {pk}", "priority": (priority + 1) % 4}
        for pk, priority in sorted(tasks, key=lambda row: row[0] * 7919 % 10_007)
    ]


def _server_side(stage: Stage, number: int, statement: str) -> Callable[[], object]:
    """One UPDATE by the owner, from a table that is loaded already."""
    stage.owner.execute(f"DROP TABLE IF EXISTS {_TABLE}")
    stage.owner.execute(f"CREATE UNLOGGED TABLE {_TABLE} (id bigint, title text, priority int2)")
    with stage.owner.cursor() as cursor, cursor.copy(f"COPY {_TABLE} FROM STDIN") as copy:
        for each in _changes(number):
            copy.write_row(list(each.values()))
    stage.owner.execute(f"ANALYZE {_TABLE}")
    values = {
        "tenant": stage.tenant_id,
        "actor": stage.people[0],
        "kind": EventKind.TASK_UPDATED.value,
    }
    return lambda: stage.owner.execute(statement, values)


def _our_update(stage: Stage, number: int) -> Callable[[], object]:
    items = _changes(number)

    def work() -> None:
        with statement_timeout(None):
            bulk_update(items, actor_id=stage.people[0], batch_size=10_000)

    return work


def _updated(task: Task, old: dict[str, Any], actor_id: int) -> Event:
    return Event(
        kind=EventKind.TASK_UPDATED,
        task_id=task.pk,
        project_id=task.project_id,
        actor_id=actor_id,
        changes={name: [value, getattr(task, name)] for name, value in old.items()},
    )


def _set(task: Task, change: dict[str, Any]) -> dict[str, Any]:
    """Set the new values, and return the old ones."""
    old = {name: getattr(task, name) for name in ("title", "priority")}
    task.title, task.priority = change["title"], Priority(change["priority"])
    task.updated_at = datetime.now(UTC)
    return old


def _djangos_update(stage: Stage, number: int) -> Callable[[], object]:
    """`in_bulk`, `bulk_update` of Django for the tasks, and `bulk_create` for the events."""
    changes = _changes(number)

    def work() -> None:
        with statement_timeout(None):
            tasks = Task.objects.select_for_update().in_bulk([each["id"] for each in changes])
            events = []
            for change in changes:
                task = tasks[change["id"]]
                events.append(_updated(task, _set(task, change), stage.people[0]))
                task.version += 1
            fields = ["title", "priority", "updated_at", "version"]
            Task.objects.bulk_update(tasks.values(), fields, batch_size=500)
            Event.objects.bulk_create(events, batch_size=5_000)

    return work


def _get_set_save(stage: Stage, number: int) -> Callable[[], object]:
    """Get, set and save each, in one transaction."""
    changes = _changes(number)

    def work() -> None:
        with transaction.atomic():
            for change in changes:
                task = Task.objects.select_for_update().get(pk=change["id"])
                old = _set(task, change)
                task.version = F("version") + 1
                task.save(update_fields=["title", "priority", "updated_at", "version"])
                _updated(task, old, stage.people[0]).save(force_insert=True)

    return work

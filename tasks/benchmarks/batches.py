"""Making many tasks: by the service, by Django's own ways, and by what PostgreSQL does at best.

Every way begins with plain values and leaves the same behind: tasks with numbers that have no gap,
and an event for each. All of it in one transaction, without its COMMIT: a loop that commits each
row waits for the disk as often, which is not in these figures.

COPY straight into the tables would be the limit, but PostgreSQL refuses it to a role under
row-level security, and the schema's owner has a connection of its own, in no transaction of this
one. So the limit is one INSERT, of arrays or of a temporary table that was filled by COPY.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

from django.db import connection

from perf import claim, pair, variant
from projects.services import numbers_take
from taskproject.tenancy.models import Event, EventKind
from tasks.benchmarks.datasets import TASKS
from tasks.benchmarks.material import Batch, BatchPair, new_tasks, numbers_for, status_label
from tasks.benchmarks.traces import ClearedPair
from tasks.models import Task
from tasks.services.batches.create import bulk_create

_COLUMNS: Final = {
    "project_id": "bigint",
    "title": "text",
    "description": "text",
    "priority": "smallint",
    "assignee_id": "bigint",
    "due_at": "timestamptz",
}
_ARRAYS: Final = (
    f"unnest({', '.join(f'%({name})s::{kind}[]' for name, kind in _COLUMNS.items())})"
    f" WITH ORDINALITY AS given ({', '.join(_COLUMNS)}, place)"
)
_TABLE: Final = "benchmark_new_tasks"
_MAKE_TABLE: Final = (
    f"CREATE TEMP TABLE {_TABLE} ({', '.join(f'{n} {kind}' for n, kind in _COLUMNS.items())},"
    " place int) ON COMMIT DROP"
)
_COPY: Final = f"COPY {_TABLE} FROM STDIN"


def _insert(source: str) -> str:
    """The statement that makes tasks of the rows of `source`, and tells of each."""
    columns = ", ".join(_COLUMNS)
    return f"""
    WITH item AS MATERIALIZED (
        SELECT given.*, row_number() OVER (PARTITION BY project_id ORDER BY place) AS nth
          FROM {source}
    ), wanted AS (
        SELECT project_id, count(*) AS number FROM item GROUP BY project_id
    ), taken AS (
        UPDATE project SET next_number = next_number + wanted.number FROM wanted
         WHERE project.tenant_id = %(tenant)s AND project.id = wanted.project_id
        RETURNING project.id, next_number - wanted.number - 1 AS before
    ), made AS (
        INSERT INTO task (tenant_id, number, status, version, creator_id, {columns})
        SELECT %(tenant)s, taken.before + item.nth, 0, 1, %(actor)s,
               {", ".join(f"item.{name}" for name in _COLUMNS)}
          FROM item JOIN taken ON taken.id = item.project_id ORDER BY item.place
        RETURNING id, project_id, title
    )
    INSERT INTO event (tenant_id, task_id, project_id, actor_id, kind, changes)
    SELECT %(tenant)s, id, project_id, %(actor)s, %(kind)s,
           jsonb_build_object('title', title, 'status', 'pending')
      FROM made
    """


_FROM_ARRAYS: Final = _insert(_ARRAYS)
_FROM_TABLE: Final = _insert(f"{_TABLE} AS given")


class InsertPair(BatchPair):
    """So many new tasks of a tenant."""

    def arguments(self, rng: random.Random) -> tuple[Batch]:
        return (new_tasks(self.data.draw(rng), self.number, rng),)

    @variant(efficient=True)
    def service(self, new: Batch) -> None:
        """The service's bulk_create: all checks, and one statement of a JSON text."""
        with self._for(new):
            bulk_create(new.items, actor_id=new.actor_id)

    @variant()
    def django_bulk_create(self, new: Batch) -> None:
        """Django's bulk_create for the tasks, and again for the events."""
        with self._for(new):
            made = Task.objects.bulk_create(_numbered(new))
            Event.objects.bulk_create(map(_told, made))

    @variant()
    def unnest(self, new: Batch) -> None:
        """The limit: one INSERT from an array for each column, unchecked."""
        columns = {name: [item[name] for item in new.items] for name in _COLUMNS}
        with self._for(new), connection.cursor() as cursor:
            cursor.execute(_FROM_ARRAYS, {**_said(new), **columns})

    @variant()
    def copy_then_insert(self, new: Batch) -> None:
        """COPY into a temporary table, and one INSERT from there, unchecked."""
        with self._for(new), connection.cursor() as cursor:
            cursor.execute(_MAKE_TABLE)
            with cursor.copy(_COPY) as copy:
                for place, item in enumerate(new.items, start=1):
                    copy.write_row([*(item[name] for name in _COLUMNS), place])
            cursor.execute(_FROM_TABLE, _said(new))


def _said(new: Batch) -> dict[str, Any]:
    kind = EventKind.TASK_CREATED.value
    return {"tenant": new.tenant.id, "actor": new.actor_id, "kind": kind}


def _numbered(new: Batch) -> Iterator[Task]:
    """Instances with the numbers that their projects give. One statement for each project."""
    numbers = numbers_for(item["project_id"] for item in new.items)
    for item in new.items:
        yield Task(**item, creator_id=new.actor_id, number=next(numbers[item["project_id"]]))


def _told(task: Task) -> Event:
    return Event(
        kind=EventKind.TASK_CREATED,
        task_id=task.pk,
        project_id=task.project_id,
        actor_id=task.creator_id,
        changes={"title": task.title, "status": status_label(task)},
    )


def save_one(item: dict[str, Any], actor_id: int) -> None:
    """A task as people make it. Three statements."""
    number = numbers_take(project_id=item["project_id"])
    task = Task(**item, creator_id=actor_id, number=number)
    task.save(force_insert=True)
    _told(task).save(force_insert=True)


class InsertFewPair(InsertPair):
    """So few that a loop over them can be waited for."""

    @variant()
    def save_each(self, new: Batch) -> None:
        """A number, save() and an event for each task."""
        with self._for(new):
            for item in new.items:
                save_one(item, new.actor_id)


@pair(
    "tasks.batch_insert_10",
    title="Making 10 tasks",
    dataset=TASKS,
    page="batches",
    caveat=(
        "It pays from the first task on, which takes half of what save() takes. One INSERT of"
        " arrays, written by hand and unchecked, is hardly quicker; COPY is slower at this size."
    ),
    tags=("batches", "writes"),
    writes=True,
)
class Insert10(InsertFewPair):
    claims = (
        claim.queries("service", 4),
        claim.queries("save_each", 30),
        claim.faster("service", than="save_each", by=4, at=10_000),
        claim.faster("service", than="django_bulk_create", by=1.3, at=10_000),
    )
    number = 10


@pair(
    "tasks.batch_insert_100",
    title="Making 100 tasks",
    dataset=TASKS,
    page="batches",
    caveat=(
        "Django's bulk_create takes twice as long, which is 10 ms here: where nothing has to be"
        " checked, its one line is enough."
    ),
    tags=("batches", "writes"),
    writes=True,
)
class Insert100(InsertFewPair):
    claims = (
        claim.queries("service", 4),
        claim.queries("save_each", 300),
        claim.faster("service", than="save_each", by=8, at=10_000),
        claim.faster("service", than="django_bulk_create", by=1.3, at=10_000),
        claim.faster("service", than="unnest", by=0.6, at=10_000),
    )
    number = 100


@pair(
    "tasks.batch_insert_1000",
    title="Making 1,000 tasks",
    dataset=TASKS,
    page="batches",
    caveat=(
        "Indexes, foreign keys and the search vector take most of the time, whoever writes: the"
        " limit is a tenth less. save() of each takes ten times what it takes for 100 tasks, and"
        " is not measured again."
    ),
    tags=("batches", "writes"),
    writes=True,
)
class Insert1000(InsertPair):
    claims = (
        claim.faster("service", than="django_bulk_create", by=1.3, at=10_000),
        claim.faster("service", than="unnest", by=0.6, at=10_000),
        claim.faster("service", than="copy_then_insert", by=0.6, at=10_000),
    )
    number = 1_000


@pair(
    "tasks.batch_insert_10000",
    title="Making 10,000 tasks",
    dataset=TASKS,
    page="large-batches",
    caveat=(
        "A row costs hardly less than in a batch of 1,000: ten of those are nearly as fast, and"
        " hold their locks for a tenth of the time. The limit takes a tenth less."
    ),
    sizes=(100_000,),
    tags=("batches", "writes", "large"),
    writes=True,
)
class Insert10000(ClearedPair, InsertPair):
    claims = (
        claim.queries("service", 6),
        claim.faster("service", than="django_bulk_create", by=1.3, at=100_000),
        claim.faster("service", than="unnest", by=0.6, at=100_000),
        claim.faster("service", than="copy_then_insert", by=0.6, at=100_000),
    )
    number = 10_000

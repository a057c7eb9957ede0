"""Importing a file of tasks: by the service, record by record, by Django's own batches.

The file is made from the seed: new tasks of one tenant, packed NDJSON as an export writes it. The
projects, people and labels that it names are there. Every way reads the file, and leaves the same
behind: tasks with their times and labels, numbers without a gap, and an event for each.

The limit is one statement of a temporary table that was filled by COPY, unchecked: PostgreSQL takes
the records apart, finds the names and writes. COPY straight into the tables is the owner's alone.
"""

from __future__ import annotations

import gzip
import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Final

from django.db import connection
from msgspec import json

from perf import claim, pair, variant
from projects.models import Project
from projects.services import numbers_take
from taskproject.db.context import tenant_context
from taskproject.tenancy.models import Event, EventKind, User
from tasks.benchmarks.datasets import TASKS, SeededTenant
from tasks.benchmarks.material import new_tasks, numbers_for
from tasks.benchmarks.rest_batches import named_items
from tasks.benchmarks.traces import ClearedPair, Mark, WritingPair, traces
from tasks.dataset.source import open_source
from tasks.models import Label, Priority, Status, Task, TaskLabel
from tasks.services.imports.run import tasks_import

_BEGIN: Final = datetime(2027, 1, 1, tzinfo=UTC)
_STATUSES: Final = {each.label: each.value for each in Status}
_PRIORITIES: Final = {each.label: each.value for each in Priority}
_MAKE_TABLE: Final = "CREATE TEMP TABLE benchmark_records (place int, record jsonb) ON COMMIT DROP"
_COPY: Final = "COPY benchmark_records FROM STDIN"
_KEPT: Final = "external_key, title, description, created_at, completed_at, updated_at"
_WRITE: Final = f"""
    WITH item AS MATERIALIZED (
        SELECT told.*, project.id AS project_id, maker.id AS creator_id, holder.id AS assignee_id,
               row_number() OVER (PARTITION BY project.id ORDER BY place) AS nth
          FROM benchmark_records, jsonb_to_record(record) AS told (
                   project text, external_key text, title text, description text, status text,
                   priority text, creator text, assignee text, labels text[],
                   created_at timestamptz, completed_at timestamptz, updated_at timestamptz)
          JOIN project ON project.tenant_id = %(tenant)s AND project.key = told.project
          JOIN user_account AS maker ON maker.username = told.creator
          LEFT JOIN user_account AS holder ON holder.username = told.assignee
    ), wanted AS (
        SELECT project_id, count(*) AS number FROM item GROUP BY project_id
    ), taken AS (
        UPDATE project SET next_number = next_number + wanted.number FROM wanted
         WHERE project.tenant_id = %(tenant)s AND project.id = wanted.project_id
        RETURNING project.id, next_number - wanted.number - 1 AS before
    ), made AS (
        INSERT INTO task (tenant_id, number, project_id, creator_id, assignee_id, version, status,
                          priority, {_KEPT})
        SELECT %(tenant)s, taken.before + item.nth, project_id, creator_id, assignee_id, 1,
               (%(statuses)s::jsonb -> status)::smallint,
               (%(priorities)s::jsonb -> priority)::smallint, {_KEPT}
          FROM item JOIN taken ON taken.id = item.project_id
        RETURNING id, project_id, creator_id, external_key, created_at
    ), linked AS (
        INSERT INTO task_label (tenant_id, task_id, task_created_at, label_id)
        SELECT %(tenant)s, made.id, made.created_at, label.id
          FROM made JOIN item USING (external_key), unnest(item.labels) AS named
          JOIN label ON label.tenant_id = %(tenant)s AND label.name = named
    )
    INSERT INTO event (tenant_id, task_id, project_id, actor_id, kind, changes)
    SELECT %(tenant)s, id, project_id, creator_id, %(kind)s,
           jsonb_build_object('external_key', external_key)
      FROM made
"""

type Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    """A file with new tasks of a tenant; `mark` is where the tenant stands before."""

    tenant: SeededTenant
    path: Path
    mark: Mark


class ImportPair(WritingPair):
    """So many new tasks of a tenant."""

    number: ClassVar[int]
    tables = ("task", "event", "project", "task_label")
    _done: File

    def set_up(self) -> None:
        self._folder = TemporaryDirectory(prefix="perf-")
        self._names = (f"{n}.ndjson.gz" for n in itertools.count())

    def tear_down(self) -> None:
        self._folder.cleanup()
        super().tear_down()

    def arguments(self, rng: random.Random) -> tuple[File]:
        tenant = self.data.draw(rng)
        path = Path(self._folder.name) / next(self._names)
        with tenant_context(tenant.id):
            mark = Mark.now()
        lines = b"\n".join(json.encode(each) for each in _records(tenant, self.number, rng))
        path.write_bytes(gzip.compress(lines))
        return (File(tenant, path, mark),)

    @variant(efficient=True)
    def service(self, file: File) -> None:
        """The service's tasks_import: all checks, two statements for 5,000 records."""
        self._done = file
        with open_source(str(file.path)) as source:
            tasks_import(source.lines())

    @variant()
    def django_bulk_create(self, file: File) -> None:
        """Names looked up at once, and Django's bulk_create for tasks, labels and events."""
        with self._reading(file) as records:
            found = list(records)
            names = {each["creator"] for each in found} | {each["assignee"] for each in found}
            people = dict(
                User.objects.filter(username__in=names - {None}).values_list("username", "id")
            )
            projects = dict(Project.objects.values_list("key", "id"))
            labels = dict(Label.objects.values_list("name", "id"))
            numbers = numbers_for(projects[each["project"]] for each in found)
            made = Task.objects.bulk_create(
                _task(each, project_id, next(numbers[project_id]), people)
                for each in found
                for project_id in [projects[each["project"]]]
            )
            TaskLabel.objects.bulk_create(
                TaskLabel(task=task, label_id=labels[name], task_created_at=task.created_at)
                for task, each in zip(made, found, strict=True)
                for name in each["labels"]
            )
            Event.objects.bulk_create(map(_told, made))

    @variant()
    def copy_then_insert(self, file: File) -> None:
        """The limit: COPY of the lines, and one statement that takes them apart, unchecked."""
        values: dict[str, Any] = {
            "tenant": file.tenant.id,
            "kind": EventKind.TASK_IMPORTED.value,
            "statuses": json.encode(_STATUSES).decode(),
            "priorities": json.encode(_PRIORITIES).decode(),
        }
        with self._opened(file) as lines, connection.cursor() as cursor:
            cursor.execute(_MAKE_TABLE)
            with cursor.copy(_COPY) as copy:
                for place, text in enumerate(lines):
                    copy.write_row((place, text.decode()))
            cursor.execute(_WRITE, values)

    def state(self) -> Any:
        mark = self._done.mark
        with tenant_context(self._done.tenant.id):
            tasks = Task.objects.filter(id__gt=mark.task_id).order_by("project_id", "number")
            times = tasks.values_list("external_key", "created_at", "completed_at", "updated_at")
            links = TaskLabel.objects.filter(task_id__gt=mark.task_id).values_list(
                "task__external_key", "label__name", "task_created_at"
            )
            return [*traces(mark), *times, *sorted(links)]

    @contextmanager
    def _opened(self, file: File) -> Iterator[Iterator[bytes]]:
        """The lines of the file, in its tenant."""
        self._done = file
        with tenant_context(file.tenant.id), open_source(str(file.path)) as source:
            yield (line.text for line in source.lines())

    @contextmanager
    def _reading(self, file: File) -> Iterator[Iterator[Record]]:
        with self._opened(file) as lines:
            yield map(json.decode, lines)


def _records(tenant: SeededTenant, number: int, rng: random.Random) -> Iterator[Record]:
    """New tasks as an export tells of them: with up to two labels each, a fifth of them done."""
    new = new_tasks(tenant, number, rng)
    creator = User.objects.get(pk=new.actor_id).username
    with tenant_context(tenant.id):
        labels = list(Label.objects.order_by("id").values_list("name", flat=True))
    for n, item in enumerate(named_items(new)):
        created_at = _BEGIN + timedelta(minutes=n)
        status = rng.choice(list(_STATUSES))
        del item["due_at"]
        yield {
            "tenant": tenant.slug,
            "external_key": f"benchmark-{n}",
            **item,
            "status": status,
            "creator": creator,
            "labels": rng.sample(labels, min(rng.randrange(3), len(labels))),
            "created_at": created_at,
            "completed_at": created_at + timedelta(hours=1) if status == "done" else None,
            "updated_at": created_at + timedelta(hours=1),
        }


def _task(record: Record, project_id: int, number: int, people: dict[str, int]) -> Task:
    completed_at = record["completed_at"] and datetime.fromisoformat(record["completed_at"])
    return Task(
        project_id=project_id,
        number=number,
        external_key=record["external_key"],
        title=record["title"],
        description=record["description"],
        status=_STATUSES[record["status"]],
        priority=_PRIORITIES[record["priority"]],
        creator_id=people[record["creator"]],
        assignee_id=record["assignee"] and people[record["assignee"]],
        created_at=datetime.fromisoformat(record["created_at"]),
        completed_at=completed_at,
        updated_at=datetime.fromisoformat(record["updated_at"]),
    )


def _told(task: Task) -> Event:
    return Event(
        kind=EventKind.TASK_IMPORTED,
        task_id=task.pk,
        project_id=task.project_id,
        actor_id=task.creator_id,
        changes={"external_key": task.external_key},
    )


@pair(
    "tasks.import_100",
    title="Importing a file of 100 tasks",
    dataset=TASKS,
    page="imports",
    caveat=(
        "Seven of its nine statements are there for any file, however few its records are; the"
        " limit does without them, and without any check."
    ),
    tags=("batches", "imports", "writes"),
    writes=True,
)
class Import100(ImportPair):
    claims = (
        claim.queries("service", 9),
        claim.queries("copy_then_insert", 2),
        claim.faster("service", than="record_by_record", by=10, at=10_000),
        claim.faster("service", than="django_bulk_create", by=1.3, at=10_000),
    )
    number = 100

    @variant()
    def record_by_record(self, file: File) -> None:
        """A SELECT for each name, a number, save(), its labels and an event for each task."""
        with self._reading(file) as records:
            for each in records:
                _save_one(each)


def _save_one(record: Record) -> None:
    names = {record["creator"], record["assignee"]} - {None}
    people = {name: User.objects.get(username=name).pk for name in names}
    project = Project.objects.get(key=record["project"])
    task = _task(record, project.pk, numbers_take(project_id=project.pk), people)
    task.save(force_insert=True)
    for name in record["labels"]:
        label = Label.objects.get(name=name)
        link = TaskLabel(task=task, label=label, task_created_at=task.created_at)
        link.save(force_insert=True)
    _told(task).save(force_insert=True)


@pair(
    "tasks.import_10000",
    title="Importing a file of 10,000 tasks",
    dataset=TASKS,
    page="imports",
    caveat=(
        "One statement that finds all names by itself takes a tenth less, where nothing has to be"
        " checked and no line can be wrong."
    ),
    sizes=(100_000,),
    tags=("batches", "imports", "writes", "large"),
    writes=True,
)
class Import10000(ClearedPair, ImportPair):
    claims = (
        claim.queries("service", 12),
        claim.faster("service", than="django_bulk_create", by=1.3, at=100_000),
        claim.faster("service", than="copy_then_insert", by=0.5, at=100_000),
    )
    number = 10_000

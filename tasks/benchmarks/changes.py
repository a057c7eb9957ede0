"""Changing and deleting many tasks: by a few statements, or a row at a time.

Every way locks what it changes, gives each task its next version and writes an event for it, in one
transaction without its COMMIT.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from perf import claim, pair, variant
from taskproject.tenancy.models import Event, EventKind
from tasks.benchmarks.datasets import TASKS
from tasks.benchmarks.material import Batch, BatchPair, changes, draw_with
from tasks.benchmarks.traces import ClearedPair
from tasks.models import LIVE, Task
from tasks.services.batches.change import bulk_update
from tasks.services.batches.remove import bulk_delete
from tasks.services.tasks import task_delete

_FIELDS: Final = ("title", "priority")
_WRITTEN: Final = (*_FIELDS, "version", "updated_at")
_UPDATE: Final = """
    WITH new AS MATERIALIZED (
        SELECT item.id, item.title, item.priority,
               was.title AS was_title, was.priority AS was_priority
          FROM unnest(%(ids)s::bigint[], %(titles)s::text[], %(priorities)s::smallint[])
               AS item (id, title, priority)
          JOIN task AS was ON was.tenant_id = %(tenant)s AND was.id = item.id
         ORDER BY item.id FOR NO KEY UPDATE OF was
    ), changed AS (
        UPDATE task SET title = new.title, priority = new.priority, version = version + 1,
               updated_at = now()
          FROM new WHERE task.tenant_id = %(tenant)s AND task.id = new.id
        RETURNING task.id, task.project_id, jsonb_build_object(
            'title', jsonb_build_array(was_title, new.title),
            'priority', jsonb_build_array(was_priority, new.priority)) AS changes
    )
    INSERT INTO event (tenant_id, task_id, project_id, actor_id, kind, changes)
    SELECT %(tenant)s, id, project_id, %(actor)s, %(kind)s, changes FROM changed
"""


class ChangePair(BatchPair):
    """So many tasks that a tenant has."""

    def arguments(self, rng: random.Random) -> tuple[Batch]:
        return (changes(draw_with(self.data, self.number, rng), self.number, rng),)


class UpdatePair(ChangePair):
    """Another title and another priority for each."""

    django_batch_size: ClassVar[int | None] = None  # all in one statement

    @variant(efficient=True)
    def service(self, wanted: Batch) -> None:
        """The service's bulk_update: all checks, and one UPDATE from a JSON text."""
        with self._for(wanted):
            bulk_update(wanted.items, actor_id=wanted.actor_id)

    @variant()
    def django_bulk_update(self, wanted: Batch) -> None:
        """Django's bulk_update, which writes a CASE of each row, and bulk_create for the events."""
        with self._for(wanted):
            tasks = Task.objects.select_for_update().in_bulk(wanted.ids)
            events = [_changed(tasks[item["id"]], item, wanted.actor_id) for item in wanted.items]
            size = self.django_batch_size
            Task.objects.bulk_update(tasks.values(), _WRITTEN, batch_size=size)
            Event.objects.bulk_create(events)

    @variant()
    def unnest(self, wanted: Batch) -> None:
        """The limit: one UPDATE from an array for each column, unchecked."""
        values: dict[str, Any] = {
            "tenant": wanted.tenant.id,
            "actor": wanted.actor_id,
            "kind": EventKind.TASK_UPDATED.value,
            "ids": wanted.ids,
            "titles": [each["title"] for each in wanted.items],
            "priorities": [each["priority"] for each in wanted.items],
        }
        with self._for(wanted), connection.cursor() as cursor:
            cursor.execute(_UPDATE, values)


def _changed(task: Task, item: dict[str, Any], actor_id: int) -> Event:
    """Set the new values, and return the event that tells of them."""
    told = {name: [getattr(task, name), item[name]] for name in _FIELDS}
    for name in _FIELDS:
        setattr(task, name, item[name])
    task.version += 1
    task.updated_at = datetime.now(UTC)
    return _event(EventKind.TASK_UPDATED, task, actor_id, told)


def _event(kind: EventKind, task: Task, actor_id: int, told: dict[str, Any]) -> Event:
    return Event(
        kind=kind, task_id=task.pk, project_id=task.project_id, actor_id=actor_id, changes=told
    )


class UpdateFewPair(UpdatePair):
    """So few that a loop over them can be waited for."""

    @variant()
    def get_set_save(self, wanted: Batch) -> None:
        """A SELECT, save() and an event for each task."""
        with self._for(wanted):
            for item in wanted.items:
                task = Task.objects.select_for_update().get(pk=item["id"])
                event = _changed(task, item, wanted.actor_id)
                task.save(update_fields=_WRITTEN)
                event.save(force_insert=True)


@pair(
    "tasks.batch_update_10",
    title="Changing 10 tasks",
    dataset=TASKS,
    page="batches",
    caveat=(
        "It pays from the first task on, which takes a third of get, set and save. UPDATE … FROM"
        " arrays, written by hand and unchecked, is hardly quicker."
    ),
    tags=("batches", "writes"),
    writes=True,
)
class Update10(UpdateFewPair):
    claims = (
        claim.queries("service", 4),
        claim.queries("get_set_save", 30),
        claim.faster("service", than="get_set_save", by=5, at=10_000),
        claim.faster("service", than="django_bulk_update", by=2, at=10_000),
    )
    number = 10


@pair(
    "tasks.batch_update_100",
    title="Changing 100 tasks",
    dataset=TASKS,
    page="batches",
    caveat=(
        "Django's bulk_update sends no more statements: where the way to the database is most of"
        " the time, it is as good."
    ),
    tags=("batches", "writes"),
    writes=True,
)
class Update100(UpdateFewPair):
    claims = (
        claim.queries("service", 4),
        claim.queries("get_set_save", 300),
        claim.faster("service", than="get_set_save", by=10, at=10_000),
        claim.faster("service", than="django_bulk_update", by=2, at=10_000),
        claim.faster("service", than="unnest", by=0.5, at=10_000),
    )
    number = 100


@pair(
    "tasks.batch_update_1000",
    title="Changing 1,000 tasks",
    dataset=TASKS,
    page="batches",
    caveat=(
        "UPDATE … FROM arrays, written by hand and unchecked, takes four fifths to nine tenths of"
        " it: the rest is what the checks cost."
    ),
    sizes=(10_000, 100_000),
    tags=("batches", "writes"),
    writes=True,
)
class Update1000(UpdatePair):
    claims = (
        claim.faster("service", than="django_bulk_update", by=2, at=10_000),
        claim.faster("service", than="unnest", by=0.5, at=10_000),
    )
    number = 1_000


@pair(
    "tasks.batch_update_10000",
    title="Changing 10,000 tasks",
    dataset=TASKS,
    page="large-batches",
    caveat=(
        "A row costs hardly less than in a batch of 1,000: ten of those are nearly as fast, and"
        " hold their locks for a tenth of the time. The limit takes a fifth less."
    ),
    sizes=(100_000,),
    tags=("batches", "writes", "large"),
    writes=True,
)
class Update10000(ClearedPair, UpdatePair):
    """Django's bulk_update in batches of 500: a CASE of 10,000 branches is gone through for each
    of 10,000 rows."""

    claims = (
        claim.queries("service", 6),
        claim.faster("service", than="django_bulk_update", by=3, at=100_000),
        claim.faster("service", than="unnest", by=0.5, at=100_000),
    )
    number = 10_000
    django_batch_size = 500


@pair(
    "tasks.batch_delete_100",
    title="Deleting 100 tasks",
    dataset=TASKS,
    page="batches",
    caveat=(
        "QuerySet.update() and bulk_create take twice as long, which is 6 ms here: where no"
        " version has to be checked, they are enough."
    ),
    tags=("batches", "writes"),
    writes=True,
)
class Delete100(ChangePair):
    claims = (
        claim.queries("service", 4),
        claim.queries("task_delete_each", 500),
        claim.faster("service", than="task_delete_each", by=15, at=10_000),
        claim.faster("service", than="update_and_bulk_create", by=1.3, at=10_000),
    )
    number = 100

    @variant(efficient=True)
    def service(self, wanted: Batch) -> None:
        """The service's bulk_delete: one SELECT that locks, one UPDATE with its events."""
        with self._for(wanted):
            bulk_delete(wanted.ids, actor_id=wanted.actor_id)

    @variant()
    def task_delete_each(self, wanted: Batch) -> None:
        """The service's task_delete for each."""
        with self._for(wanted):
            for task_id in wanted.ids:
                task_delete(task_id=task_id, actor_id=wanted.actor_id)

    @variant()
    def update_and_bulk_create(self, wanted: Batch) -> None:
        """QuerySet.update() of all, and Django's bulk_create for the events."""
        with self._for(wanted):
            tasks = Task.objects.select_for_update(no_key=True).filter(LIVE, pk__in=wanted.ids)
            events = [
                _event(EventKind.TASK_DELETED, task, wanted.actor_id, {})
                for task in tasks.order_by("id")
            ]
            Task.objects.filter(pk__in=wanted.ids).update(
                deleted_at=Now(), updated_at=Now(), version=F("version") + 1
            )
            Event.objects.bulk_create(events)

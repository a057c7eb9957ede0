"""The import of tasks from lines of JSON, into as many tenants as the lines name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Final

from django.db import DatabaseError, connection, transaction

from projects.models import Project
from projects.services import ProjectArchived, numbers_take
from taskproject.db.context import require_tenant_id, tenant_context
from taskproject.db.timeouts import statement_timeout
from taskproject.tenancy.models import Event, EventKind
from tasks import selectors
from tasks.dataset.records import PRIORITIES, STATUSES, Record, RecordError, decode
from tasks.dataset.source import LINE_BYTES, Line
from tasks.models import Task
from tasks.services.import_repeats import IdRuns, content, stored
from tasks.services.surroundings import (
    labels_ensure,
    members_ensure,
    projects_ensure,
    projects_find,
    tenants_ensure,
)

BATCH_BYTES: Final = 8 * 1024 * 1024


class ImportFailed(Exception):
    """The database refused, and rolled back if it was reached. The text says why and the cure."""


class LinesRejected(Exception):
    """At least one line was rejected, so that nothing was written."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A line that is not imported, and why."""

    line: Line
    reason: str


@dataclass(slots=True)
class TenantCounts:
    """What an import did in one tenant: rows made, and records whose external key was there."""

    projects: int = 0
    members: int = 0
    labels: int = 0
    tasks: int = 0
    already_there: int = 0


@dataclass(slots=True)
class ImportSummary:
    """What an import did so far. `committing` is set just before the transaction commits."""

    records: int = 0
    rejected: int = 0
    tenants_made: int = 0
    by_tenant: dict[str, TenantCounts] = field(default_factory=dict)
    committing: bool = False

    def total(self, name: str) -> int:
        """The sum of one of the tenants' counts, by its name."""
        return sum(getattr(counts, name) for counts in self.by_tenant.values())

    def of(self, slug: str) -> TenantCounts:
        """The counts of a tenant, which start at zero."""
        return self.by_tenant.setdefault(slug, TenantCounts())


def _ignore(*_: object) -> None:
    pass


def tasks_import(
    lines: Iterable[Line],
    *,
    batch_size: int = 1000,
    skip_rejected: bool = False,
    dry_run: bool = False,
    on_reject: Callable[[Rejection], None] = _ignore,
    on_progress: Callable[[ImportSummary], None] = _ignore,
    on_wait: Callable[[], None] = _ignore,
) -> ImportSummary:
    """Import the tasks on `lines`, with the tenants, projects, labels and members they name.

    All or nothing: one transaction. `dry_run` does everything and rolls back. Tasks get their
    project's next numbers in the order of the lines, keep their dates, and have one event, imported
    by their creator; what is made beside them has its event too. A record whose external key the
    tenant has, on a deleted task too, is counted and left alone, and so is a record that stands
    twice in the file. Users are found by name in all tenants, and made without a password; a
    deactivated member stays so.

    `on_reject` hears of every rejected line, in their order, `on_progress` of every batch, with a
    summary that goes on changing, and `on_wait` once if another import has to end first: one runs
    at a time, because users belong to no tenant and two imports could wait for each other.

    Raises `LinesRejected` after the last line if any was rejected, unless `skip_rejected`;
    `ImportFailed` if the database refuses; and what `lines` raises. Nothing is written then.

    Cost: a number of statements for each batch, tenant in it (at most 19) and project in that
    (one), whatever the number of rows. Memory holds one batch of at most 8 MiB of lines. Until the
    end the projects that get tasks are locked against new ones by others: numbers have no gaps.
    """
    run = _Run(on_reject)
    with _refusals(run.summary), statement_timeout(None):
        _lock(on_wait)
        for batch in _batches(lines, batch_size):
            _import_batch(run, batch)
            on_progress(run.summary)
        if run.summary.rejected and not skip_rejected:
            raise LinesRejected(
                f"{run.summary.rejected:,} of {run.summary.records:,} lines were rejected, and "
                "nothing was written."
            )
        if dry_run:
            transaction.set_rollback(True)
        run.summary.committing = not dry_run
    return run.summary


@dataclass(frozen=True, slots=True)
class _Item:
    line: Line
    record: Record


class _Run:
    """What one import remembers from batch to batch."""

    def __init__(self, on_reject: Callable[[Rejection], None]) -> None:
        self.summary = ImportSummary()
        self.made = IdRuns()
        self._rejections: list[Rejection] = []
        self._on_reject = on_reject

    def reject(self, line: Line, reason: str) -> None:
        self._rejections.append(Rejection(line, reason))

    def tell_rejections(self) -> None:
        for rejection in sorted(self._rejections, key=lambda each: each.line.number):
            self._on_reject(rejection)
        self.summary.rejected += len(self._rejections)
        self._rejections.clear()


# --- The transaction ------------------------------------------------------------------------------


@contextmanager
def _refusals(summary: ImportSummary) -> Iterator[None]:
    try:
        yield
    except ProjectArchived as error:
        text = "A project was archived while the import ran. Run the import again."
        raise ImportFailed(text) from error
    except DatabaseError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        cure = "Run the import again if other programs were writing: it adds nothing twice."
        if summary.committing:
            cure = "It may have committed. Run the import again: it adds nothing twice."
        raise ImportFailed(f"The database refused: {reason}. {cure}") from error


def _lock(on_wait: Callable[[], None]) -> None:
    """Keep other imports out until the transaction ends. Two statements, three if it must wait.

    Afterwards a row that somebody else has locked is waited for at most a minute.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('tasks_import'))")
        if not cursor.fetchone()[0]:
            on_wait()
            cursor.execute("SET LOCAL lock_timeout = 0")
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext('tasks_import'))")
        cursor.execute("SET LOCAL lock_timeout = '1min'")


def _batches(lines: Iterable[Line], size: int) -> Iterator[list[Line]]:
    batch: list[Line] = []
    size_bytes = 0
    for line in lines:
        batch.append(line)
        size_bytes += len(line.text)
        if len(batch) == size or size_bytes >= BATCH_BYTES:
            yield batch
            batch, size_bytes = [], 0
    if batch:
        yield batch


def _import_batch(run: _Run, lines: list[Line]) -> None:
    groups: dict[str, list[_Item]] = {}
    for item in _decoded(run, lines):
        groups.setdefault(item.record.tenant, []).append(item)
    tenants, made = tenants_ensure(slugs=groups)
    run.summary.tenants_made += made
    for slug, items in groups.items():
        with tenant_context(tenants[slug]):
            _import_group(run, run.summary.of(slug), items)
    run.summary.records += len(lines)
    run.tell_rejections()


def _decoded(run: _Run, lines: list[Line]) -> Iterator[_Item]:
    for line in lines:
        if not line.complete:
            run.reject(line, f"is longer than {LINE_BYTES:,} bytes; shorten its texts")
            continue
        try:
            yield _Item(line, decode(line.text))
        except RecordError as error:
            run.reject(line, str(error))


# --- One tenant's part of a batch -----------------------------------------------------------------


def _import_group(run: _Run, counts: TenantCounts, items: list[_Item]) -> None:
    records = _unarchived(run, _fresh(run, counts, items))
    if not records:
        return
    on = _make_surroundings(counts, records)
    Event.objects.bulk_create(on.events)
    tasks = _make_tasks(records, on)
    _make_links(tasks, records, on.labels)
    _make_events(tasks)
    counts.tasks += len(tasks)
    run.made.add(task.pk for task in tasks)


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What the tasks of a batch stand on, in the active tenant, and the events of its making."""

    members: dict[str, int]
    projects: dict[str, Project]
    labels: dict[str, int]
    events: list[Event]


def _make_surroundings(counts: TenantCounts, records: list[Record]) -> _Surroundings:
    """Two to eleven statements. What is made is made by the creator of the first task with it."""
    events: list[Event] = []
    people = dict.fromkeys(name for record in records for name in record.people)
    members, new_members = members_ensure(names=people, events=events)
    makers = _first((record.project, members[record.creator]) for record in records)
    projects, new_projects = projects_ensure(makers=makers, events=events)
    namers = _first((name, members[each.creator]) for each in records for name in each.labels)
    labels, new_labels = labels_ensure(makers=namers, events=events)
    counts.members += new_members
    counts.projects += new_projects
    counts.labels += new_labels
    return _Surroundings(members, projects, labels, events)


def _first(pairs: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Each name with the first of its values, in the order of the names."""
    first: dict[str, int] = {}
    for name, value in pairs:
        first.setdefault(name, value)
    return first


def _fresh(run: _Run, counts: TenantCounts, items: list[_Item]) -> list[_Item]:
    """The items whose external key is new. One statement, three if the file repeats a key."""
    keys = {item.record.external_key for item in items}
    found = selectors.tasks_by_external_key(keys=keys).values_list("external_key", "pk")
    existing = {str(key): pk for key, pk in found}
    repeated = stored({pk for pk in existing.values() if pk in run.made})
    first: dict[str, _Item] = {}
    for item in items:
        key = item.record.external_key
        earlier = repeated.get(key) or (content(first[key].record) if key in first else None)
        if earlier is not None and earlier != content(item.record):
            text = f"external_key: {key!r} stands on an earlier line with other content; keep one"
            run.reject(item.line, text)
        elif earlier is not None or key in existing:
            counts.already_there += 1
        else:
            first[key] = item
    return list(first.values())


def _unarchived(run: _Run, items: list[_Item]) -> list[Record]:
    """The records whose project takes new tasks. One statement."""
    projects = projects_find(keys={item.record.project for item in items})
    records: list[Record] = []
    for item in items:
        project = projects.get(item.record.project)
        if project is not None and project.archived_at is not None:
            run.reject(item.line, f"project: {project.key} is archived; bring it back first")
        else:
            records.append(item.record)
    return records


def _make_tasks(records: list[Record], on: _Surroundings) -> list[Task]:
    """One statement, and one for each project, whose row is locked: in the order of their ids."""
    wanted = Counter(on.projects[record.project].pk for record in records)
    numbers = {
        project_id: count(numbers_take(project_id=project_id, count=wanted[project_id]))
        for project_id in sorted(wanted)
    }
    return Task.objects.bulk_create(
        Task(
            project_id=on.projects[record.project].pk,
            number=next(numbers[on.projects[record.project].pk]),
            title=record.title,
            description=record.description,
            status=STATUSES[record.status],
            priority=PRIORITIES[record.priority],
            creator_id=on.members[record.creator],
            assignee_id=None if record.assignee is None else on.members[record.assignee],
            external_key=record.external_key,
            created_at=record.created_at,
            completed_at=record.completed_at,
            updated_at=record.updated_at,
        )
        for record in records
    )


_INSERT_LINKS: Final = """
    INSERT INTO task_label (tenant_id, task_id, task_created_at, label_id)
    SELECT %s, link.task_id, link.task_created_at, link.label_id
      FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[])
           AS link (task_id, task_created_at, label_id)
"""
_INSERT_EVENTS: Final = """
    INSERT INTO event (tenant_id, task_id, project_id, actor_id, kind, changes)
    SELECT tenant_id, id, project_id, creator_id, %s,
           jsonb_build_object('external_key', external_key)
      FROM task
     WHERE tenant_id = %s AND id = ANY (%s)
     ORDER BY id
"""


def _make_links(tasks: list[Task], records: list[Record], labels: dict[str, int]) -> None:
    """One statement; none where no task has a label."""
    links = {
        (task.pk, task.created_at, labels[name])
        for task, record in zip(tasks, records, strict=True)
        for name in record.labels
    }
    if links:
        columns = [list(column) for column in zip(*sorted(links), strict=True)]
        with connection.cursor() as cursor:
            cursor.execute(_INSERT_LINKS, [require_tenant_id(), *columns])


def _make_events(tasks: list[Task]) -> None:
    """One statement, from the tasks themselves."""
    ids = [task.pk for task in tasks]
    with connection.cursor() as cursor:  # index: task_tpk
        cursor.execute(_INSERT_EVENTS, [EventKind.TASK_IMPORTED, require_tenant_id(), ids])

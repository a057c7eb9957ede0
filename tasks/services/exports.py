"""The export of a tenant's tasks, as records that an import reads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import timedelta
from itertools import batched
from typing import Any, BinaryIO, Final

from django.db import connection

from taskproject.db.timeouts import statement_timeout
from tasks.dataset.forms import Form
from tasks.dataset.records import OWN_KEY, Record
from tasks.models import Priority, Status
from tasks.selectors import external_keys_taken, tasks_exported

BATCH: Final = 250  # of the longest texts these take some 70 MB


class ExportRuns(Exception):
    """Another export of the tenant runs."""


def tasks_export(
    target: BinaryIO,
    form: Form,
    *,
    tenant_slug: str,
    timeout: timedelta | None = None,
    alone: bool = False,
    on_progress: Callable[[int], Any] = lambda number: None,
) -> int:
    """Write the live tasks of the active tenant to a file, in the order of their making; how many.

    They are of one moment. A task without an external key has its key among people, `WEB-42`, in
    its place, `WEB-42 (its own key)` if that is the external key of another one. `on_progress`
    hears after each 250 how many are written.

    With `alone` it is the only one of the tenant that runs so: raises `ExportRuns` if another does.

    One transaction: a cursor on the server, and two statements for each 250 rows, which is what
    memory holds. Raises `OperationalError` where one of them takes longer than `timeout`.
    """
    number = 0
    with statement_timeout(timeout):
        if alone:
            _lock(tenant_slug)
        target.write(form.head)
        rows = tasks_exported().iterator(chunk_size=BATCH)
        for some in batched(rows, BATCH):
            target.write(form.encode(_records(tenant_slug, some)))
            number += len(some)
            on_progress(number)
    return number


def _lock(tenant_slug: str) -> None:
    """One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))", [f"export:{tenant_slug}"]
        )
        if not cursor.fetchone()[0]:
            raise ExportRuns


def _records(tenant_slug: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[Record]:
    """The records of some rows of `tasks_exported`. One statement if a task has no key of its own
    making."""
    own = {f"{project}-{number}" for project, number, key, *_ in rows if key is None}
    taken = set(external_keys_taken(keys=own)) if own else set()
    for project, number, key, title, description, status, priority, *rest in rows:
        creator, assignee, labels, created_at, completed_at, updated_at = rest
        yield Record(
            tenant=tenant_slug,
            project=project,
            external_key=key or _own_key(f"{project}-{number}", taken),
            title=title,
            description=description,
            status=Status(status).label,
            priority=Priority(priority).label,
            creator=creator,
            assignee=assignee,
            labels=sorted(labels, key=lambda name: (name.lower(), name)),
            created_at=created_at,
            completed_at=completed_at,
            updated_at=updated_at,
        )


def _own_key(key: str, taken: Collection[str | None]) -> str:
    """A key that no other task is exported by: another one may have it for its external key."""
    return f"{key}{OWN_KEY}" if key in taken else key

"""The export of a tenant's tasks, as records that an import reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from tasks.dataset.records import Record
from tasks.models import Priority, Status
from tasks.selectors import tasks_exported

CHUNK: Final = 2_000


def records_of(tenant_slug: str) -> Iterator[Record]:
    """The live tasks of the active tenant, in the order of their making, as records.

    One statement, by a cursor on the server: memory holds 2,000 rows at a time. A task without an
    external key has its key among people, `WEB-42`, in its place. Call it in a transaction whose
    statements have time.
    """
    rows = tasks_exported().iterator(chunk_size=CHUNK)
    for project, number, key, title, description, status, priority, *rest in rows:
        creator, assignee, labels, created_at, completed_at, updated_at = rest
        yield Record(
            tenant=tenant_slug,
            project=project,
            external_key=key or f"{project}-{number}",
            title=title,
            description=description,
            status=Status(status).label,
            priority=Priority(priority).label,
            creator=creator,
            assignee=assignee,
            labels=labels,
            created_at=created_at,
            completed_at=completed_at,
            updated_at=updated_at,
        )

"""The export of a tenant's tasks, as records that an import reads."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from datetime import timedelta
from itertools import batched
from typing import Final

from taskproject.db.context import require_tenant_id, tenant_context
from taskproject.db.timeouts import statement_timeout
from tasks.dataset.forms import Form
from tasks.dataset.records import Record
from tasks.models import Priority, Status
from tasks.selectors import tasks_exported

BATCH: Final = 1_000
# Of a client that does not read, the transaction ends after so long.
PATIENCE: Final = timedelta(minutes=1)


def records_of(tenant_slug: str) -> Generator[Record]:
    """The live tasks of the active tenant, in the order of their making, as records.

    One statement, by a cursor on the server: memory holds 1,000 rows at a time. A task without an
    external key has its key among people, `WEB-42`, in its place. Call it in a transaction whose
    statements have time.
    """
    rows = tasks_exported().iterator(chunk_size=BATCH)
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


def streamed(tenant_slug: str, form: Form) -> Iterator[bytes]:
    """The same as parts of a file, for as long as somebody reads them.

    The tenant that is active now is active only while rows are read, whoever reads the parts. They
    are of one moment, in one transaction, which ends with them, with `close()`, or when nobody has
    read for a minute.
    """
    return _streamed(require_tenant_id(), tenant_slug, form)


def _streamed(tenant_id: int, tenant_slug: str, form: Form) -> Iterator[bytes]:
    with statement_timeout(PATIENCE, idle=PATIENCE), closing(records_of(tenant_slug)) as rows:
        yield form.head
        batches = batched(rows, BATCH)
        while True:
            with tenant_context(tenant_id):
                records = next(batches, None)
            if records is None:
                return
            yield form.encode(records)

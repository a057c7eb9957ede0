"""The import of tasks from lines of JSON: its transactions and its batches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Final

from django.db import DatabaseError, OperationalError, connection, transaction
from psycopg.errors import LockNotAvailable

from taskproject.db.context import tenant_context
from taskproject.db.timeouts import statement_timeout
from tasks.dataset.records import RecordError, decode
from tasks.dataset.source import LINE_BYTES, Line
from tasks.services.imports.repeats import IdRuns
from tasks.services.imports.summary import ImportFailed, ImportSummary, LinesRejected, Rejection
from tasks.services.imports.surroundings import tenants_ensure
from tasks.services.imports.tenant_part import Item, import_part

BATCH_BYTES: Final = 4 * 1024 * 1024
BATCH_SIZE: Final = 5_000


def _ignore(*_: object) -> None:
    pass


def tasks_import(
    lines: Iterable[Line],
    *,
    batch_size: int = BATCH_SIZE,
    commit_every: int | None = None,
    skip_rejected: bool = False,
    dry_run: bool = False,
    on_reject: Callable[[Rejection], None] = _ignore,
    on_progress: Callable[[ImportSummary], None] = _ignore,
    on_wait: Callable[[], None] = _ignore,
) -> ImportSummary:
    """Import the tasks on `lines`, with the tenants, projects, labels and members they name.

    All or nothing: one transaction; or one for every `commit_every` lines, and then what is
    committed stays. `dry_run` does everything in one and rolls back. Tasks get their project's next
    numbers in the order of the lines, keep their dates, and have one event, imported by their
    creator; what is made beside them has its event too. A record whose external key the tenant has,
    on a deleted task too, is counted and left alone, and so is a record that stands twice in the
    file: an import that broke off goes on when it is run again. Users are found by name in all
    tenants, and made without a password; a deactivated member stays so.

    `on_reject` hears of every rejected line, in their order, `on_progress` of every batch, with a
    summary that goes on changing, and `on_wait` if another import has to end first: one runs at a
    time, because users belong to no tenant and two imports could wait for each other.

    Raises `LinesRejected` at the end of a transaction in which a line was rejected, unless
    `skip_rejected`; `ImportFailed` if the database refuses; and what `lines` raises. What the
    transaction wrote is rolled back then.

    Cost: for each tenant in a batch two statements, more where something else than tasks has to be
    made (see `import_part`); one for the tenants of a batch; four for a transaction besides BEGIN
    and COMMIT. Memory holds one batch of at most 4 MiB of lines, and one line more. Until its
    transaction ends the projects that get tasks are locked: numbers have no gaps.
    """
    run = _Run(on_reject)
    on_wait = _once(on_wait)
    for some in _parts(lines, None if dry_run else commit_every):
        with _refusals(run.summary), statement_timeout(None):
            _lock(on_wait)
            _keep_plans()
            _import_lines(run, some, batch_size, on_progress)
            if run.rejected_since and not skip_rejected:
                raise LinesRejected(_rejected_text(run))
            if dry_run:
                transaction.set_rollback(True)
            run.summary.committing = not dry_run
        run.committed()
    return run.summary


def _once(call: Callable[[], None]) -> Callable[[], None]:
    called: list[None] = []

    def first() -> None:
        if not called:
            called.append(None)
            call()

    return first


class _Run:
    """What one import remembers from batch to batch."""

    def __init__(self, on_reject: Callable[[Rejection], None]) -> None:
        self.summary = ImportSummary()
        self.made = IdRuns()
        self.rejections: list[Rejection] = []
        self.rejected_since = 0
        self.last_line = 0
        self._on_reject = on_reject

    def tell_rejections(self) -> None:
        for rejection in sorted(self.rejections, key=lambda each: each.line.number):
            self._on_reject(rejection)
        self.summary.rejected += len(self.rejections)
        self.rejected_since += len(self.rejections)
        self.rejections.clear()

    def committed(self) -> None:
        if self.summary.committing:
            self.summary.committed_line = self.last_line
        self.summary.committing, self.rejected_since = False, 0


# --- The transactions -----------------------------------------------------------------------------


def _parts(lines: Iterable[Line], size: int | None) -> Iterator[Iterable[Line]]:
    """The lines of each transaction, which have to be read to their end before the next ones."""
    if size is None:
        yield lines
        return
    rest = iter(lines)
    for first in rest:
        yield chain((first,), islice(rest, size - 1))


@contextmanager
def _refusals(summary: ImportSummary) -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        cure = "Run the import again if other programs were writing: it adds nothing twice."
        if summary.committing:
            cure = "It may have committed. Run the import again: it adds nothing twice."
        elif summary.committed_line:
            cure = summary.written
        raise ImportFailed(f"The database refused: {reason}. {cure}") from error


def _rejected_text(run: _Run) -> str:
    return (
        f"{run.rejected_since:,} of {run.summary.records:,} lines were rejected. "
        f"{run.summary.written}"
    )


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


def _keep_plans() -> None:
    """Have rows found by index until the transaction ends. One round trip.

    A session keeps the plans of prepared statements and of foreign keys, and PostgreSQL has no
    statistics of what fills within a transaction: made while a table is empty, a plan may read all
    of it. And autovacuum, which sees no row of this transaction, would call a table empty that is
    filling: the plans made after that read all tasks of a tenant for each foreign key. Each took
    minutes for a batch, behind 300,000 tasks. The lock keeps out autovacuum, and nobody else who
    reads or writes.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SET LOCAL enable_seqscan = off;"
                "LOCK TABLE task, label, project, membership IN SHARE UPDATE EXCLUSIVE MODE"
            )
    except OperationalError as error:
        if not isinstance(error.__cause__, LockNotAvailable):
            raise
        text = "A VACUUM, or the making of an index, holds a table. Run the import after it."
        raise ImportFailed(text) from error


# --- The batches ----------------------------------------------------------------------------------


def _import_lines(
    run: _Run,
    lines: Iterable[Line],
    batch_size: int,
    on_progress: Callable[[ImportSummary], None],
) -> None:
    for batch in _batches(lines, batch_size):
        _import_batch(run, batch)
        run.summary.records += len(batch)
        run.last_line = batch[-1].number
        run.tell_rejections()
        on_progress(run.summary)


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
    parts: dict[str, list[Item]] = {}
    for item in _decoded(run, lines):
        parts.setdefault(item.record.tenant, []).append(item)
    tenants, made = tenants_ensure(slugs=parts)
    run.summary.tenants_made += made
    for slug, items in parts.items():
        with tenant_context(tenants[slug]):
            import_part(items, run.summary.of(slug), run.made, run.rejections)


def _decoded(run: _Run, lines: list[Line]) -> Iterator[Item]:
    for line in lines:
        if not line.complete:
            reason = f"is longer than {LINE_BYTES:,} bytes; shorten its texts"
            run.rejections.append(Rejection(line, reason))
            continue
        try:
            yield Item(line, decode(line.text))
        except RecordError as error:
            run.rejections.append(Rejection(line, str(error)))

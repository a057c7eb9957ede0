"""A seed into the database, by COPY and as the schema's owner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.db import connection, reset_queries, transaction

from tasks.dataset.seeding.options import SeedOptions
from tasks.dataset.seeding.rows import seed_blocks
from tasks.dataset.seeding.tables import COLUMNS, Block

LOCK: Final = "seed"
_TABLES: Final = ", ".join(COLUMNS)


def load(
    options: SeedOptions, *, on_block: Callable[[Block], object], on_wait: Callable[[], object]
) -> None:
    """Write a seed in one transaction: all of it or nothing. Call it inside `as_owner()`: COPY is
    refused to a role under row-level security, and ids are given by hand.

    `on_block` hears of each block that was sent, and `on_wait` once if another seed has to end
    first. Until the end the tables can be read, and nobody else writes to them: ids go on from
    their sequences, which are set afterwards, so that no other row may come in between.

    Raises `psycopg.Error` if the database refuses: `UniqueViolation` for a slug or user name that
    is taken, `LockNotAvailable` if others have been writing for a minute. Nothing is written then.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        _lock(cursor, on_wait)
        last_ids = dict.fromkeys(COLUMNS, 0)
        for block in seed_blocks(options, first_ids := _first_ids(cursor)):
            with cursor.copy(copy_statement(block.table)) as copy:
                copy.write(block.text)
            last_ids[block.table] += block.rows
            if settings.DEBUG:
                reset_queries()  # or the log of statements grows with the seed
            on_block(block)
        for table, rows in last_ids.items():
            if rows:
                cursor.execute(set_sequence(table, first_ids[table] + rows - 1))


def vacuum() -> None:
    """Gather statistics, and mark pages as visible to all, so that index-only scans work.

    Outside a transaction, inside `as_owner()`.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM (ANALYZE) {_TABLES}")


def copy_statement(table: str) -> str:
    """The COPY of a table from the client."""
    return f"COPY {table} ({', '.join(COLUMNS[table])}) FROM STDIN"


def set_sequence(table: str, last_id: int) -> str:
    """The statement after which the table's next id is the one behind `last_id`."""
    return f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), {last_id})"


def _lock(cursor: Any, on_wait: Callable[[], object]) -> None:
    cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [LOCK])
    if not cursor.fetchone()[0]:
        on_wait()
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [LOCK])
    cursor.execute("SET LOCAL lock_timeout = '1min'")
    # For the session, VACUUM included. PostgreSQL marks no row as visible to all before the commit
    # of its transaction is on disk; without this, where the server is told not to wait for that,
    # VACUUM came too early and marked nothing.
    cursor.execute("SET synchronous_commit = on")
    cursor.execute(f"LOCK TABLE {_TABLES} IN SHARE ROW EXCLUSIVE MODE")


def _first_ids(cursor: Any) -> dict[str, int]:
    """The id that each table gives next; the sequences stay as they are."""
    first_ids = {}
    for table in COLUMNS:
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')", [table])
        cursor.execute(f"SELECT last_value + is_called::int FROM {cursor.fetchone()[0]}")  # noqa: S608  a name that the database gave
        first_ids[table] = cursor.fetchone()[0]
    return first_ids

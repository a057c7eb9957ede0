"""An import of a file beside the limit: the owner's COPY of every row that it writes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import sql

from tasks.dataset.seeding.loading import copy_statement
from tasks.dataset.seeding.tables import COLUMNS
from tasks.dataset.source import open_source
from tasks.reference.batches import Way, Work
from tasks.services.imports.run import tasks_import
from tasks.services.imports.summary import ImportSummary

# In an order in which each finds what it refers to.
_WRITTEN: Final = (
    "tenant", "user_account", "membership", "project", "label", "task", "task_label", "event",
)  # fmt: skip


def imported(owner: psycopg.Connection[Any], file: Path) -> Work:
    """Importing a file, from reading it to COMMIT. It is imported once to know its rows, and these
    are taken away again; lines that are no records are left out by both ways."""
    last = {table: _last(owner, table) for table in _WRITTEN}
    try:
        tasks = _import(file).total("tasks")
        rows = {table: _text(owner, table, last[table]) for table in _WRITTEN}
    finally:
        _clear(owner, last)
    return Work(
        f"import {tasks:,} tasks of {file.name}",
        tasks,
        (
            Way("COPY", lambda _: partial(_copy, owner, rows)),
            Way("import_tasks", lambda _: partial(_import, file)),
        ),
        (("import_tasks", "COPY"),),
        partial(_clear, owner, last),
    )


def _import(file: Path) -> ImportSummary:
    with open_source(str(file)) as source:
        return tasks_import(source.lines(), skip_rejected=True)


def _copy(owner: psycopg.Connection[Any], rows: Mapping[str, bytes]) -> None:
    with owner.transaction(), owner.cursor() as cursor:
        for table, text in rows.items():
            with cursor.copy(copy_statement(table)) as copy:
                copy.write(text)


def _clear(owner: psycopg.Connection[Any], last: Mapping[str, int]) -> None:
    """Take away the rows of each table behind an id, and what PostgreSQL kept of them."""
    for table in reversed(_WRITTEN):
        name = sql.Identifier(table)
        owner.execute(sql.SQL("DELETE FROM {} WHERE id > %s").format(name), [last[table]])
    owner.execute(f"VACUUM {', '.join(_WRITTEN)}")


def _last(owner: psycopg.Connection[Any], table: str) -> int:
    name = sql.Identifier(table)
    row = owner.execute(sql.SQL("SELECT coalesce(max(id), 0) FROM {}").format(name)).fetchone()
    return int(row[0]) if row else 0


def _text(owner: psycopg.Connection[Any], table: str, last: int) -> bytes:
    """The rows behind an id, in the order of their making, as COPY writes them."""
    statement = sql.SQL("COPY (SELECT {} FROM {} WHERE id > {} ORDER BY id) TO STDOUT").format(
        sql.SQL(", ").join(map(sql.Identifier, COLUMNS[table])),
        sql.Identifier(table),
        sql.Literal(last),
    )
    with owner.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join(bytes(part) for part in copy)

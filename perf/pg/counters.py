"""What the statements of a call cost apart from time: counted by running each under EXPLAIN first.

This slows a call down and is never done while it is timed.
"""

from __future__ import annotations

import dataclasses
import re
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Final

from psycopg.pq import TransactionStatus

from perf.catalogue import CatalogueError
from perf.engine.results import Statement
from perf.pg.plans import EXPLAINABLE, Plan, first_word, parse_plan

_WRITES: Final = re.compile(r"\b(insert\s+into|update|delete\s+from|merge\s+into)\b", re.IGNORECASE)
_LOCKS: Final = re.compile(r"\bfor\s+(no\s+key\s+)?update\b", re.IGNORECASE)
_COUNTED: Final = "EXPLAIN (ANALYZE, BUFFERS, WAL, SETTINGS, TIMING FALSE, FORMAT JSON) "
_PLANNED: Final = "EXPLAIN (FORMAT JSON) "
_SAVEPOINT: Final = "perf_counted"
_LONGEST: Final = 4_000  # characters of a statement that are kept


@contextmanager
def counting(
    connection: Any, *, run: bool = True, writes: bool = False
) -> Iterator[list[Statement]]:
    """Collect each statement of the block with its plan and, with `run`, what it cost.

    With `run` each statement is run twice, a writing one the first time in a savepoint that is
    rolled back. What COPY and psycopg's own cursors send is not seen. Raises `CatalogueError` for a
    write unless `writes` allows it, inside of a transaction.
    """
    found: list[Statement] = []

    def count(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        text = sql if isinstance(sql, str) else sql.as_string(context["cursor"].connection)
        if first_word(text) in EXPLAINABLE and not many:
            is_write = run and _WRITES.search(_LOCKS.sub("", text)) is not None
            if is_write and not (writes and connection.in_atomic_block):
                raise CatalogueError(
                    f"A pair that writes must be declared with writes=True: {text}"
                )
            with _undone(connection) if is_write else nullcontext():
                plan = _explained(connection, execute, text, params, context, run=run)
            found.append(_statement(text, plan))
        else:
            found.append(Statement(sql=_cut(text)))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        yield found


def _explained(
    connection: Any, execute: Any, sql: str, params: Any, context: Any, *, run: bool
) -> Plan:
    explain, cursor = (_COUNTED if run else _PLANNED) + sql, context["cursor"]
    if getattr(cursor, "name", None) is None:
        execute(explain, params, False, context)
    else:  # a cursor in PostgreSQL, which holds no EXPLAIN
        cursor = connection.connection.execute(explain, params)
    return parse_plan(cursor.fetchone()[0], statement=sql)


@contextmanager
def _undone(connection: Any) -> Iterator[None]:
    """Undo the block, on the connection itself: a cursor may be able to run its own statement only,
    as that of a prepared one is."""
    connection.connection.execute(f"SAVEPOINT {_SAVEPOINT}")
    yield
    connection.connection.execute(f"ROLLBACK TO {_SAVEPOINT}")
    connection.connection.execute(f"RELEASE {_SAVEPOINT}")


def _statement(sql: str, plan: Plan) -> Statement:
    root = plan.root
    buffers = [node.buffers for node in plan.tops if node.buffers]
    return Statement(
        sql=_cut(sql),
        plan=str(plan),
        fingerprint=plan.fingerprint,
        indexes=plan.indexes,
        rows=round((root.rows or 0) * (root.loops or 0)),
        blocks_hit=sum(each.hit for each in buffers),
        blocks_read=sum(each.read for each in buffers),
        wal_bytes=plan.wal_bytes,
        full_pages=plan.full_pages,
    )


def _cut(sql: str) -> str:
    return sql if len(sql) <= _LONGEST else f"{sql[:_LONGEST]}… ({len(sql):,} characters)"


def gathered(statements: Sequence[Statement]) -> tuple[Statement, ...]:
    """Equal statements with one form of plan as one, in the order of the first of each."""
    groups: dict[tuple[str, str], list[Statement]] = {}
    for each in statements:
        groups.setdefault((each.sql, each.fingerprint), []).append(each)
    return tuple(
        dataclasses.replace(
            group[0],
            times=len(group),
            rows=sum(each.rows for each in group),
            blocks_hit=sum(each.blocks_hit for each in group),
            blocks_read=sum(each.blocks_read for each in group),
            wal_bytes=sum(each.wal_bytes for each in group),
            full_pages=sum(each.full_pages for each in group),
        )
        for group in groups.values()
    )


def peak_bytes(call: Callable[[], object]) -> int:
    """How many bytes Python's allocator held for the call at most, beyond what it held before.

    Memory that C libraries take by themselves, as libpq does for an answer, is not in it.
    """
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        result = call()
        _, peak = tracemalloc.get_traced_memory()
        del result
    finally:
        tracemalloc.stop()
    return peak - before


def fetched_blocks(connection: Any) -> int:
    """How many blocks this database has asked the system for since its statistics began.

    Two statements. What this session has not yet reported is reported first.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT blks_read FROM pg_stat_database WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def written_rows(connection: Any) -> int:
    """How many rows of tables were ever written in this database, by whatever, also if rolled back.

    Two statements. What this session has not yet reported is reported first.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables"
        )
        return int(cursor.fetchone()[0])


def session_settings(connection: Any) -> dict[str, str]:
    """What was set in this session, by name. One statement."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE source = 'session'")
        return dict(cursor.fetchall())


def in_transaction(connection: Any) -> bool:
    """Whether this session is inside of a transaction. No statement."""
    session = connection.connection
    return session is not None and session.info.transaction_status is not TransactionStatus.IDLE

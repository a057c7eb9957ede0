"""How large tables are, without waiting for a lock.

PostgreSQL's functions of sizes open the relation, and so wait behind an ACCESS EXCLUSIVE lock, also
behind one that is itself waiting. Tables with such a lock are told from `pg_class.relpages`, which
the last VACUUM or ANALYZE wrote.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg

from perf.pgstat.server import Server
from perf.pgstat.views import Captured

COLUMNS: Final = [
    *("relid", "schemaname", "relname", "relkind"),
    *("heap_bytes", "index_bytes", "toast_bytes", "estimated_rows", "is_estimate"),
]
_LOCKED: Final = """
    locked AS (
        SELECT relation FROM pg_locks
         WHERE mode = 'AccessExclusiveLock' AND relation IS NOT NULL
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    )"""
_STATEMENT: Final = """
    WITH {locked}, listed AS (
        SELECT t.oid AS relid, n.nspname AS schemaname, t.relname, t.relkind::text, t.relpages,
               t.reltoastrelid, t.reltuples,
               {everything} OR t.oid IN (SELECT relation FROM locked)
               OR t.reltoastrelid IN (SELECT relation FROM locked)
               OR EXISTS (SELECT FROM pg_index i JOIN locked ON i.indexrelid = locked.relation
                           WHERE i.indrelid IN (t.oid, t.reltoastrelid)) AS is_estimate
          FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
         WHERE t.relkind IN ('r', 'm', 'p')
           AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
           AND n.nspname NOT LIKE 'pg\\_temp\\_%'
    ), block AS (SELECT current_setting('block_size')::bigint AS size)
    SELECT relid, schemaname, relname, relkind,
           CASE WHEN is_estimate THEN relpages::bigint * block.size
                ELSE pg_table_size(relid) - coalesce(pg_total_relation_size(
                         nullif(reltoastrelid, 0::oid)), 0) END AS heap_bytes,
           CASE WHEN is_estimate
                THEN (SELECT coalesce(sum(x.relpages), 0)::bigint * block.size
                        FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
                       WHERE i.indrelid = listed.relid)
                ELSE pg_indexes_size(relid) END AS index_bytes,
           CASE WHEN reltoastrelid = 0 THEN 0
                WHEN is_estimate
                THEN (SELECT x.relpages::bigint * block.size FROM pg_class x
                       WHERE x.oid = reltoastrelid)
                ELSE pg_total_relation_size(reltoastrelid) END AS toast_bytes,
           CASE WHEN reltuples >= 0 THEN reltuples::bigint END AS estimated_rows,
           is_estimate
      FROM listed CROSS JOIN block
"""


def capture_sizes(server: Server) -> Captured:
    """The sizes of all tables of users. One statement, two if a lock was taken amid the first.

    Raises `psycopg.Error`.
    """
    found = without_waiting(server, _STATEMENT)
    return Captured.of(COLUMNS, [tuple(row[name] for name in COLUMNS) for row in found])


def without_waiting(server: Server, statement: str) -> list[dict[str, Any]]:
    """The rows of a statement that asks no size of a relation that somebody else has locked.

    In it {locked} stands for the WITH query `locked` of their ids, and {everything} for whether all
    has to be estimated, which is done once a lock was taken amid it. Raises `psycopg.Error`.
    """
    try:
        return server.rows(statement.format(everything="false", locked=_LOCKED))
    except psycopg.errors.LockNotAvailable:
        return server.rows(statement.format(everything="true", locked=_LOCKED))

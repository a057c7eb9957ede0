"""Tables, indexes and foreign keys as the catalogue has them. Read without waiting for a lock.

`pg_get_indexdef` and `pg_get_expr` open the table, and so wait behind an ACCESS EXCLUSIVE lock, as
seen on PostgreSQL 15 and 18. Of such a table an index is told from what the catalogue holds of it,
with its expressions as trees that can be compared, and not read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from perf.pgstat.server import Server
from perf.pgstat.sizes import without_waiting

_OURS: Final = """
    n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND n.nspname NOT LIKE 'pg\\_temp\\_%'
"""


@dataclass(frozen=True, slots=True)
class Table:
    """A table, a materialised view, or the parent of partitions ("p")."""

    oid: int
    schema: str
    name: str
    kind: str
    rows: float  # pg_class.reltuples: -1 if never vacuumed or analysed
    pages: int
    options: dict[str, str]  # its own storage parameters
    columns: dict[str, str]  # the names with their types
    parent: int | None  # of a partition
    root: int  # the outermost parent, or itself
    is_readable: bool  # whether this role sees its columns' statistics


@dataclass(frozen=True, slots=True)
class Key:
    """A key column of an index, with all that makes it another one."""

    definition: str  # the column's name, or an expression
    column: str | None  # None of an expression
    opclass: int
    collation: int
    option: int  # DESC and NULLS FIRST
    parameters: str | None  # of the operator class


@dataclass(frozen=True)
class Index:
    """An index."""

    oid: int
    table_oid: int
    schema: str
    table: str
    name: str
    method: str
    keys: tuple[Key, ...]
    included: tuple[str, ...]
    definition: str | None  # None while the table is locked
    condition: str | None  # of a partial one, as a tree
    storage: tuple[str, ...]
    is_unique: bool
    is_primary: bool
    is_exclusion: bool
    is_immediate: bool
    nulls_equal: bool
    is_valid: bool
    is_ready: bool
    is_replica_identity: bool
    is_partitioned: bool
    is_being_built: bool
    is_referenced: bool  # a foreign key relies on it
    constraint: str | None
    constraint_definition: str | None
    parent: int | None  # the index of the partitioned table that it is a part of
    rows: float
    size_bytes: int
    is_estimate: bool

    @cached_property
    def predicate(self) -> str | None:
        """The condition of a partial index; the tree of it while the table is locked."""
        return predicate(self.definition) if self.definition else self.condition

    @property
    def columns(self) -> tuple[str | None, ...]:
        """The columns of its keys, None for an expression."""
        return tuple(key.column for key in self.keys)

    @property
    def works(self) -> bool:
        """Whether queries can use it."""
        return self.is_valid and self.is_ready


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """A foreign key: not those that partitions inherit."""

    name: str
    table_oid: int
    schema: str
    table: str
    columns: tuple[str, ...]
    target_oid: int
    target: str
    target_columns: tuple[str, ...]
    on_delete: str  # pg_constraint.confdeltype
    is_valid: bool


# What stands before it: anything, but quotes only with all that they quote.
_BEFORE_WHERE: Final = re.compile(
    r"""(?:[^'"]|'(?:[^']|'')*'|"(?:[^"]|"")*")*?\sWHERE\s(.*)""", re.S
)


def predicate(definition: str) -> str | None:
    """The condition in the definition of an index.

    >>> predicate("CREATE INDEX i ON t (a) WHERE (b = ' WHERE ')")
    "(b = ' WHERE ')"
    >>> predicate("CREATE INDEX i ON t (((a || ' WHERE '))) ") is None
    True
    """
    found = _BEFORE_WHERE.fullmatch(definition)
    return found[1] if found else None


def tables(server: Server) -> dict[int, Table]:
    """All tables of users by their ids. One statement. Raises `psycopg.Error`."""
    found = {row["oid"]: row for row in server.rows(_TABLES)}
    return {oid: _table(row, found) for oid, row in found.items()}


def _table(row: dict[str, Any], all_rows: dict[int, dict[str, Any]]) -> Table:
    root = row
    while root["parent"] in all_rows:
        root = all_rows[root["parent"]]
    options = dict(each.split("=", 1) for each in row["options"] or ())
    return Table(**{**row, "options": options, "columns": row["columns"] or {}}, root=root["oid"])


_TABLES: Final = f"""
    SELECT t.oid, n.nspname AS schema, t.relname AS name, t.relkind::text AS kind,
           t.reltuples AS rows, t.relpages AS pages, t.reloptions AS options,
           (SELECT json_object_agg(attname, format_type(atttypid, NULL) ORDER BY attnum)
              FROM pg_attribute WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped
           ) AS columns,
           (SELECT inhparent FROM pg_inherits
             WHERE inhrelid = t.oid AND t.relispartition) AS parent,
           has_table_privilege(t.oid, 'SELECT')
           AND NOT (t.relrowsecurity AND row_security_active(t.oid)) AS is_readable
      FROM pg_class t JOIN pg_namespace n ON n.oid = t.relnamespace
     WHERE t.relkind IN ('r', 'm', 'p') AND {_OURS}
"""


def indexes(server: Server) -> list[Index]:
    """All indexes on tables of users, by schema, table and name. One statement, two if a lock was
    taken amid the first. Raises `psycopg.Error`."""
    return [_index(row) for row in without_waiting(server, _INDEXES)]


def _index(row: dict[str, Any]) -> Index:
    parts = row.pop("parts")
    count = row.pop("key_count")
    return Index(
        keys=tuple(Key(**each) for each in parts[:count]),
        included=tuple(each["column"] for each in parts[count:]),
        storage=tuple(row.pop("storage") or ()),
        **row,
    )


# An index is being built if somebody's progress says so. A role that may not read that progress
# sees that it is there, and who holds the lock of such a build.
_INDEXES: Final = f"""
    WITH {{locked}}, building AS (
        SELECT p.index_relid, p.relid, l.relation
          FROM pg_stat_progress_create_index p
          LEFT JOIN pg_locks l ON l.pid = p.pid AND p.relid IS NULL AND l.granted
                              AND l.mode IN ('ShareLock', 'ShareUpdateExclusiveLock')
    ), listed AS (
        SELECT i.*, x.relname, x.relkind, x.relpages, x.reltuples, x.reloptions, x.relam,
               x.relispartition, t.relname AS table_name, n.nspname,
               {{everything}} OR i.indexrelid IN (SELECT relation FROM locked)
               OR i.indrelid IN (SELECT relation FROM locked) AS is_estimate
          FROM pg_index i
          JOIN pg_class x ON x.oid = i.indexrelid
          JOIN pg_class t ON t.oid = i.indrelid
          JOIN pg_namespace n ON n.oid = t.relnamespace
         WHERE {_OURS}
    )
    SELECT i.indexrelid AS oid, i.indrelid AS table_oid, i.nspname AS schema,
           i.table_name AS table, i.relname AS name, a.amname AS method,
           i.indnkeyatts AS key_count, i.reloptions AS storage,
           CASE WHEN NOT i.is_estimate THEN pg_get_indexdef(i.indexrelid) END AS definition,
           regexp_replace(i.indpred::text, ':location -?[0-9]+', '', 'g') AS condition,
           i.indisunique AS is_unique, i.indisprimary AS is_primary,
           i.indisexclusion AS is_exclusion, i.indimmediate AS is_immediate,
           i.indnullsnotdistinct AS nulls_equal, i.indisvalid AS is_valid,
           i.indisready AS is_ready, i.indisreplident AS is_replica_identity,
           i.relkind = 'I' AS is_partitioned, i.reltuples AS rows, i.is_estimate,
           EXISTS (SELECT FROM building b
                    WHERE b.index_relid = i.indexrelid OR b.relation = i.indrelid
                       OR b.relid = i.indrelid AND i.relname ~ '_cc(new|old)[0-9]*$'
           ) AS is_being_built,
           EXISTS (SELECT FROM pg_constraint
                    WHERE conindid = i.indexrelid AND contype = 'f') AS is_referenced,
           c.conname AS constraint,
           CASE WHEN NOT i.is_estimate
                THEN pg_get_constraintdef(c.oid) END AS constraint_definition,
           (SELECT inhparent FROM pg_inherits
             WHERE inhrelid = i.indexrelid AND i.relispartition) AS parent,
           CASE WHEN i.is_estimate
                THEN i.relpages * current_setting('block_size')::bigint
                ELSE pg_relation_size(i.indexrelid) END AS size_bytes,
           (SELECT json_agg(json_build_object(
                       'definition', CASE
                           WHEN NOT i.is_estimate THEN pg_get_indexdef(i.indexrelid, k, true)
                           WHEN i.indkey[k - 1] = 0 THEN
                                regexp_replace(i.indexprs::text, ':location -?[0-9]+', '', 'g')
                           ELSE (SELECT attname::text FROM pg_attribute
                                  WHERE attrelid = i.indrelid AND attnum = i.indkey[k - 1]) END,
                       'column', (SELECT attname FROM pg_attribute
                                   WHERE attrelid = i.indrelid AND attnum = i.indkey[k - 1]),
                       'opclass', coalesce(i.indclass[k - 1]::bigint, 0),
                       'collation', coalesce(i.indcollation[k - 1]::bigint, 0),
                       'option', coalesce(i.indoption[k - 1], 0),
                       'parameters', (SELECT attoptions::text FROM pg_attribute
                                       WHERE attrelid = i.indexrelid AND attnum = k)
                   ) ORDER BY k)
              FROM generate_series(1, i.indnatts) AS k) AS parts
      FROM listed i
      JOIN pg_am a ON a.oid = i.relam
      LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.conrelid = i.indrelid
                               AND c.contype IN ('p', 'u', 'x')
     ORDER BY i.nspname, i.table_name, i.relname
"""


def indexes_by_table(server: Server) -> dict[int, list[Index]]:
    """The same by the ids of their tables, where indexes of one table are compared."""
    found: dict[int, list[Index]] = {}
    for index in indexes(server):
        found.setdefault(index.table_oid, []).append(index)
    return found


def foreign_keys(server: Server) -> list[ForeignKey]:
    """All foreign keys of users' tables by schema, table and name. One statement.

    Raises `psycopg.Error`.
    """
    return [
        ForeignKey(
            **{
                **row,
                "columns": tuple(row["columns"]),
                "target_columns": tuple(row["target_columns"]),
            }
        )
        for row in server.rows(_FOREIGN_KEYS)
    ]


_FOREIGN_KEYS: Final = f"""
    SELECT c.conname AS name, c.conrelid AS table_oid, n.nspname AS schema, t.relname AS table,
           c.confrelid AS target_oid, f.relname AS target, c.confdeltype::text AS on_delete,
           c.convalidated AS is_valid,
           (SELECT array_agg(a.attname::text ORDER BY k.place)
              FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
              JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number) AS columns,
           (SELECT array_agg(a.attname::text ORDER BY k.place)
              FROM unnest(c.confkey) WITH ORDINALITY AS k (number, place)
              JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.number
           ) AS target_columns
      FROM pg_constraint c
      JOIN pg_class t ON t.oid = c.conrelid
      JOIN pg_class f ON f.oid = c.confrelid
      JOIN pg_namespace n ON n.oid = t.relnamespace
     WHERE c.contype = 'f' AND c.conparentid = 0 AND {_OURS}
     ORDER BY n.nspname, t.relname, c.conname
"""

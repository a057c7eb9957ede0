"""IX6: indexes that tell rows apart badly, or that hold mostly nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from perf.pgstat.capabilities import COLUMN_STATISTICS
from perf.pgstat.fixes import create_index, drop_index, quoted
from perf.pgstat.indexes.coverage import is_only_cover, severity
from perf.pgstat.indexes.tenant_first import tenant_column
from perf.pgstat.relations import Index, Table, indexes, tables
from perf.pgstat.results import Confidence, Finding, Fix, Row, Severity
from perf.pgstat.rollup import by_root, total
from perf.pgstat.section import Check, NotEnough, Reading, Unreadable
from perf.pgstat.server import Server
from perf.pgstat.views import TABLES

LEAST_ROWS: Final = 10_000
NULL_SHARE: Final = 0.5
LEAST_DISTINCT: Final = 20

type Statistics = dict[tuple[str, str, str], dict[str, Any]]


def column_statistics(server: Server) -> Statistics:
    """`pg_stats` of what this role may see, by schema, table and column. One statement."""
    return {
        (row["schemaname"], row["tablename"], row["attname"]): row
        for row in server.rows(
            "SELECT schemaname::text, tablename::text, attname::text, null_frac, n_distinct,"
            " avg_width, inherited FROM pg_stats"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY inherited DESC"
        )
    }


def _find(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    statistics, known = reading.once(column_statistics), reading.once(tables)
    wanted = {row["oid"] for row in rows}
    live = {table.oid: total(found, "n_live_tup") for table, found in by_root(reading, TABLES)}
    hidden, unknown = set(), set()
    for index in reading.once(indexes):
        table = known.get(index.table_oid)
        if table is None or index.oid not in wanted or not _is_judged(index):
            continue
        if max(table.rows, live.get(table.oid) or 0) < LEAST_ROWS:
            continue
        if not table.is_readable:
            hidden.add(f"{table.schema}.{table.name}")
            continue
        column = index.columns[0]
        row = statistics.get((table.schema, table.name, column or ""))
        if row is None and index.columns[0]:
            unknown.add(f"{table.schema}.{table.name}")
        elif row and (found := _finding(reading, index, table, row)):
            yield found
    if hidden:
        raise Unreadable(
            f"{COLUMN_STATISTICS.reason} {len(hidden):,} it may not: {', '.join(sorted(hidden))}.",
            COLUMN_STATISTICS.remedy.replace("{role}", reading.can.role_in_sql),
        )
    if unknown:
        raise NotEnough(f"Never analysed, with rows enough: {', '.join(sorted(unknown))}.")


def _is_judged(index: Index) -> bool:
    """Whether reading is all that it is for."""
    return (
        index.method == "btree"
        and index.works
        and index.parent is None
        and not (index.is_unique or index.constraint or index.is_replica_identity)
        and index.predicate is None
        and index.columns[0] not in (None, tenant_column())
    )


def _finding(reading: Reading, index: Index, table: Table, row: dict[str, Any]) -> Finding | None:
    distinct = _distinct(row["n_distinct"], table.rows)
    evidence: Row = {
        "column": index.columns[0],
        "null_share": row["null_frac"],
        "distinct": distinct,
        "rows": table.rows,
        "size_bytes": index.size_bytes,
    }
    if row["null_frac"] > NULL_SHARE:
        return _mostly_null(reading, index, table, evidence)
    if 0 < distinct < LEAST_DISTINCT and not is_only_cover(reading, index):
        return _few_values(reading, index, evidence)
    return None


def _distinct(number: float, rows: float) -> float:
    """How many values there are: a negative number is a share of the rows."""
    return number if number >= 0 else -number * rows


def _mostly_null(reading: Reading, index: Index, table: Table, evidence: Any) -> Finding:
    place = reading.place(index.schema, index.table, index.name)
    column = evidence["column"]
    return CHECK.finding(
        severity(place, Severity.INFO),
        f"{evidence['null_share']:.0%} of {index.table}.{column} is NULL, and {index.name} holds"
        " all of that.",
        confidence=Confidence.MEDIUM,
        place=place,
        evidence=evidence,
        fix=_partial(reading, index, table, column),
        caveats=("A query for IS NULL could use the whole one only.",),
    )


def _partial(reading: Reading, index: Index, table: Table, column: str) -> Fix | None:
    columns = [each for each in index.columns if each]
    if len(columns) != len(index.keys) or index.included or any(k.option for k in index.keys):
        return None
    made = create_index(
        reading.models,
        index.schema,
        index.table,
        columns,
        where=f"{quoted(column)} IS NOT NULL",
        is_partitioned=table.kind == "p",
    )
    gone = drop_index(reading.models, index)
    return Fix(
        f"{made.sql}\n{gone.sql}",
        f"{gone.undo_sql}\n{made.undo_sql}",
        f"{made.django}\n{gone.django}" if made.django else None,
        made.online,
    )


def _few_values(reading: Reading, index: Index, evidence: Any) -> Finding:
    place = reading.place(index.schema, index.table, index.name)
    alone = len(index.keys) == 1
    return CHECK.finding(
        severity(place, Severity.INFO),
        f"{index.name} begins with {evidence['column']}, which has {evidence['distinct']:.0f}"
        " values.",
        confidence=Confidence.MEDIUM if alone else Confidence.LOW,
        place=place,
        evidence=evidence,
        fix=drop_index(reading.models, index) if alone else None,
        caveats=(
            "A value that is rare is found by it: a partial index for that value is smaller.",
            *(() if alone else ("It serves queries that name the next columns, too.",)),
        ),
    )


CHECK: Final = Check(
    "IX6",
    "low-value-index",
    "Indexes that tell few rows apart",
    "The first column is NULL in more than half of the rows, or has less than 20 values, such as a"
    " boolean, and the index is neither partial nor unique. From 10,000 rows on: below, any index"
    " is small. The tenant is no such column, and the only index of a foreign key is needed.",
    _find,
)

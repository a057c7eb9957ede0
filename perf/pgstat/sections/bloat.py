"""Pages that hold less than they could."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from psycopg import sql

from perf.pgstat.capabilities import COLUMN_STATISTICS
from perf.pgstat.estimates import Width, btree_pages, table_pages
from perf.pgstat.fixes import quoted
from perf.pgstat.indexes.low_value import Statistics, column_statistics
from perf.pgstat.relations import Index, Table, indexes, tables
from perf.pgstat.results import Column, Confidence, Finding, Fix, Kind, Row, Severity
from perf.pgstat.section import Check, Reading, Section, Unreadable, ratio
from perf.pgstat.server import Server
from perf.pgstat.views import SIZES, TABLES

LEAST_LISTED_BYTES: Final = 10_000_000
LEAST_BYTES: Final = 100_000_000
TABLE_SHARE: Final = 0.25
INDEX_SHARE: Final = 0.30
CHANGED_SHARE: Final = 0.10
MOST_MEASURED: Final = 20  # it reads what is not all-visible
_EXTENSION: Final = "pgstattuple"
_MEASURED: Final = "pgstattuple_approx"
_ESTIMATED: Final = "estimate"
_UNAVAILABLE: Final = "unavailable"


def _read(reading: Reading) -> Iterator[Row]:
    rows = [*_tables(reading), *_indexes(reading)]
    yield from sorted(rows, key=lambda row: -(row["wasted_bytes"] or 0))  # type: ignore[operator]


def _tables(reading: Reading) -> Iterator[Row]:
    known = reading.once(tables)
    sizes = sorted(reading.changes(SIZES), key=lambda each: -(each.get("heap_bytes") or 0))
    measure = reading.once(_measuring)
    left = MOST_MEASURED
    for each in sizes:
        table = known.get(each["relid"])
        size = each.get("heap_bytes") or 0
        if table is None or size < LEAST_LISTED_BYTES or not reading.wants(table.schema):
            continue
        if each["is_estimate"]:
            yield _row(table, None, size, _UNAVAILABLE, None, "Somebody else has locked it.")
        elif measure is not None and left:
            left -= 1
            wasted = _measured(reading.server, measure, table.oid)
            yield _row(table, None, size, _MEASURED, wasted, None)
        else:
            yield _estimated_table(reading, table, size)


def _measuring(server: Server) -> sql.Identifier | None:
    """The function that measures tables, where it is installed and this role may call it."""
    found = server.rows(
        "SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " JOIN pg_proc p ON p.pronamespace = n.oid AND p.proname = %(function)s"
        " WHERE e.extname = %(extension)s AND has_schema_privilege(n.oid, 'USAGE')"
        " AND has_function_privilege(p.oid, 'EXECUTE')",
        {"extension": _EXTENSION, "function": _MEASURED},
    )
    return sql.Identifier(found[0]["nspname"], _MEASURED) if found else None


def _measured(server: Server, function: sql.Identifier, oid: int) -> int:
    """The bytes of dead rows and of free space of a table."""
    row = server.row(
        sql.SQL(
            "SELECT dead_tuple_len + approx_free_space AS wasted FROM {}(%(oid)s::oid::regclass)"
        ).format(function),
        {"oid": oid},
    )
    return int(row["wasted"])


def _estimated_table(reading: Reading, table: Table, size: int) -> Row:
    widths, why = _widths(reading, table, list(table.columns))
    if widths is None:
        return _row(table, None, size, _UNAVAILABLE, None, why)
    page_bytes, fill = _page_bytes(reading), int(table.options.get("fillfactor", 100))
    needed = table_pages(table.rows, widths, page_bytes=page_bytes, fill=fill)
    return _row(table, None, size, _ESTIMATED, max(size - needed * page_bytes, 0), None)


def _indexes(reading: Reading) -> Iterator[Row]:
    known = reading.once(tables)
    for index in reading.once(indexes):
        table = known.get(index.table_oid)
        if table is None or index.method != "btree" or index.size_bytes < LEAST_LISTED_BYTES:
            continue
        if reading.wants(index.schema) and not index.is_partitioned:
            yield _estimated_index(reading, table, index)


def _estimated_index(reading: Reading, table: Table, index: Index) -> Row:
    size = index.size_bytes
    columns = [*index.columns, *index.included]
    plain = [each for each in columns if each is not None]
    if index.predicate or len(plain) != len(columns):
        why = "How wide an expression is, or how many rows a condition leaves, is not told."
        return _row(table, index, size, _UNAVAILABLE, None, why)
    widths, why = _widths(reading, table, plain)
    if index.is_estimate or widths is None:
        why = "Somebody else has locked it." if index.is_estimate else why
        return _row(table, index, size, _UNAVAILABLE, None, why)
    options = dict(each.split("=", 1) for each in index.storage)
    page_bytes, fill = _page_bytes(reading), int(options.get("fillfactor", 90))
    needed = btree_pages(index.rows, widths, page_bytes=page_bytes, fill=fill)
    return _row(table, index, size, _ESTIMATED, max(size - needed * page_bytes, 0), None)


def _widths(
    reading: Reading, table: Table, columns: Sequence[str]
) -> tuple[list[Width] | None, str]:
    """What the planner knows of these columns, or why that does not do."""
    if not table.is_readable:
        return None, COLUMN_STATISTICS.reason
    if table.rows < 0:
        return None, "It was never analysed."
    changed = _changed_rows(reading).get(table.oid)
    if changed is None or changed > CHANGED_SHARE * table.rows:
        return None, "Too much has changed since it was analysed."
    statistics: Statistics = reading.once(column_statistics)
    found = [statistics.get((table.schema, table.name, name)) for name in columns]
    if None in found:
        return None, "The planner has no statistics of some columns."
    return [Width(row["avg_width"], row["null_frac"]) for row in found if row], ""


def _changed_rows(reading: Reading) -> Mapping[int, int | None]:
    return {e["relid"]: e.get("n_mod_since_analyze") for e in reading.deltas.changes(TABLES)}


def _page_bytes(reading: Reading) -> int:
    return int(reading.can.settings.get("block_size", 8192))


def _row(
    table: Table, index: Index | None, size: int, method: str, wasted: int | None, why: str | None
) -> Row:
    return {
        "schema": table.schema,
        "table": table.name,
        "index": index.name if index else None,
        "size_bytes": size,
        "wasted_bytes": wasted,
        "wasted_share": ratio(wasted, size),
        "method": method,
        "why": why,
    }


def _bloated(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    unknown = []
    for each in rows:
        row: Any = each
        if row["method"] == _UNAVAILABLE:
            unknown.append(row)
            continue
        least = INDEX_SHARE if row["index"] else TABLE_SHARE
        if row["wasted_bytes"] >= LEAST_BYTES and row["wasted_share"] >= least:
            yield _finding(reading, row)
    if unknown:
        reasons = sorted({row["why"] for row in unknown})
        raise Unreadable(
            f"Of {len(unknown):,} tables and indexes it can't be told. {' '.join(reasons)}",
            COLUMN_STATISTICS.remedy.replace("{role}", reading.can.role_in_sql)
            if COLUMN_STATISTICS.reason in reasons
            else "ANALYZE;",
        )


def _finding(reading: Reading, row: Any) -> Finding:
    is_sure = row["method"] == _MEASURED
    name = row["index"] or row["table"]
    return BLOATED.finding(
        Severity.WARNING,
        f"{row['wasted_bytes'] / 1e6:,.0f} MB of {name} hold nothing, {row['wasted_share']:.0%}"
        f" of it ({row['method']}).",
        confidence=Confidence.HIGH if is_sure else Confidence.LOW,
        place=reading.place(row["schema"], row["table"], row["index"]),
        evidence=row,
        fix=_fix(row),
        caveats=("New rows use what is free: it is lost only for who reads the whole.",),
    )


def _fix(row: Any) -> Fix:
    if row["index"]:
        name = quoted(row["schema"], row["index"])
        return Fix(f"REINDEX INDEX CONCURRENTLY {name};", online=True)
    return Fix(
        f"VACUUM (FULL, ANALYZE) {quoted(row['schema'], row['table'])};"
        "  -- nobody can read it meanwhile; the extension pg_repack can do it online",
        online=False,
    )


BLOATED: Final = Check(
    "BL1",
    "bloat",
    "Tables and indexes that are mostly empty pages",
    "At least 100 MB, and 25 % of a table or 30 % of an index: Plain's figures; below, the estimate"
    " errs by as much. B-trees are 10 % empty when they are new.",
    _bloated,
)

SECTION: Final = Section(
    "bloat",
    "Bloat",
    "What tables and indexes from 10 MB on hold without need, and how that is known.",
    (
        Column("schema", "text", Kind.LABEL, "schema", "pg_namespace.nspname"),
        Column("table", "text", Kind.LABEL, "table", "pg_class.relname"),
        Column("index", "text", Kind.LABEL, "index; none for the table", "pg_class.relname"),
        Column("size_bytes", "bytes", Kind.GAUGE, "size", "pg_relation_size"),
        Column(
            "wasted_bytes", "bytes", Kind.GAUGE, "dead or free; none if it can't be told",
            "pgstattuple_approx, or size - estimated pages × block_size",
        ),
        Column("wasted_share", "1", Kind.RATIO, "share of its size", "wasted / size"),
        Column("method", "text", Kind.LABEL, "how that is known", "pgstat"),
        Column("why", "text", Kind.LABEL, "why it can't be told", "pgstat"),
    ),
    _read,
    (BLOATED,),
)  # fmt: skip

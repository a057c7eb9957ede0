"""How tables are read: by an index, or from the first row to the last."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from perf.pgstat.deltas import Change, Flag
from perf.pgstat.relations import Table, indexes, tables
from perf.pgstat.results import Column, Confidence, Finding, Kind, Row, Severity
from perf.pgstat.rollup import by_root, latest, total
from perf.pgstat.section import Check, Reading, Section, ratio
from perf.pgstat.views import INDEXES, SIZES, TABLES

LEAST_BYTES: Final = 10_000_000
LEAST_SCANS: Final = 10
LEAST_ROWS_PER_SCAN: Final = 1_000


def _read(reading: Reading) -> Iterator[Row]:
    heaps = {table.oid: total(found, "heap_bytes") for table, found in by_root(reading, SIZES)}
    counts = _index_counts(reading)
    rows = [
        _row(table, changes, heaps.get(table.oid), counts.get(table.oid, (0, 0)))
        for table, changes in by_root(reading, TABLES)
    ]
    yield from sorted(rows, key=lambda row: -(row["rows_read_by_seq_scans"] or 0))  # type: ignore[operator]


def _row(table: Table, changes: Sequence[Change], heap: Any, counts: tuple[int, int]) -> Row:
    seq, read = total(changes, "seq_scan"), total(changes, "seq_tup_read")
    fetched = total(changes, "idx_tup_fetch")
    indexes, built = counts
    return {
        "schema": table.schema,
        "table": table.name,
        "seq_scans": seq,
        # NULL in PostgreSQL tells a table without an index; not even that may hide it.
        "index_scans": total(changes, "idx_scan") if indexes else None,
        "rows_read_by_seq_scans": read,
        "rows_per_seq_scan": ratio(read, seq),
        "seq_read_share": ratio(read, read + (fetched or 0)) if read is not None else None,
        "heap_bytes": heap,
        "rows": total(changes, "n_live_tup"),
        "last_seq_scan": latest(changes, "last_seq_scan"),
        "indexes": indexes,
        "indexes_built": built,
    }


def _index_counts(reading: Reading) -> dict[int, tuple[int, int]]:
    """How many indexes tables have, and how many of these were made within the window."""
    roots = {oid: table.root for oid, table in reading.once(tables).items()}
    window = reading.deltas.before is not None
    new = {each["indexrelid"] for each in reading.deltas.changes(INDEXES) if each.flag is Flag.NEW}
    found: dict[int, tuple[int, int]] = {}
    for index in reading.once(indexes):
        root = roots.get(index.table_oid, index.table_oid)
        if index.parent is None:  # a part of a partitioned one is counted as built only
            found[root] = (found.get(root, (0, 0))[0] + 1, found.get(root, (0, 0))[1])
        if not index.is_partitioned and (index.oid in new or not window):
            found[root] = (found.get(root, (0, 0))[0], found.get(root, (0, 0))[1] + 1)
    return found


def _missing(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        if _is_read_whole(row, _scans_to_build(reading)):
            yield _finding(reading, row)


def _scans_to_build(reading: Reading) -> int:
    """How many scans are counted at most where an index is built: each worker counts one."""
    return 1 + int(reading.can.settings.get("max_parallel_maintenance_workers", 0))


def _is_read_whole(row: Any, scans_to_build: int) -> bool:
    scans = (row["seq_scans"] or 0) - row["indexes_built"] * scans_to_build
    return (
        (row["heap_bytes"] or 0) >= LEAST_BYTES
        and scans >= LEAST_SCANS
        and row["rows_per_seq_scan"] >= LEAST_ROWS_PER_SCAN
    )


def _finding(reading: Reading, row: Any) -> Finding:
    has = (
        "it has no index"
        if not row["indexes"]
        else f"an index was used {row['index_scans'] or 0:,} times"
    )
    sure = reading.deltas.before is not None
    return MISSING.finding(
        Severity.WARNING,
        f"{row['table']} was read whole {row['seq_scans']:,} times,"
        f" {row['rows_per_seq_scan']:,.0f} rows each; {has}.",
        confidence=Confidence.MEDIUM if sure else Confidence.LOW,
        place=reading.place(row["schema"], row["table"]),
        evidence=row,
        caveats=(
            "Which columns to index is told by the statements that read it, not by these counters.",
            f"To build an index reads a table whole too: {row['indexes_built']:,} were built, which"
            f" is up to {row['indexes_built'] * _scans_to_build(reading):,} of these reads. To"
            " build one again would be more, and is not seen.",
        ),
    )


MISSING: Final = Check(
    "IU1",
    "missing-index",
    "Tables that are read whole again and again",
    "At least 10 MB, 10 sequential scans that no index's building explains, and 1,000 rows in each:"
    " Plain's rule. The share of scans by index says less: a table without an index has none, and"
    " one without any use of its indexes has 0, so that tools that divide them miss the two worst.",
    _missing,
)

SECTION: Final = Section(
    "index_usage",
    "Index usage",
    "How tables were read: by their indexes, or whole. Partitions are summed up in their table.",
    (
        Column("schema", "text", Kind.LABEL, "schema", "pg_stat_user_tables.schemaname"),
        Column("table", "text", Kind.LABEL, "table", "pg_stat_user_tables.relname"),
        Column(
            "seq_scans", "count", Kind.COUNTER, "times it was read whole",
            "pg_stat_user_tables.seq_scan",
        ),
        Column(
            "index_scans", "count", Kind.COUNTER, "scans of its indexes; none without an index",
            "pg_stat_user_tables.idx_scan",
        ),
        Column(
            "rows_read_by_seq_scans", "rows", Kind.COUNTER, "read when it was read whole",
            "pg_stat_user_tables.seq_tup_read",
        ),
        Column(
            "rows_per_seq_scan", "rows/scan", Kind.RATIO, "read at a time",
            "seq_tup_read / seq_scan",
        ),
        Column(
            "seq_read_share", "1", Kind.RATIO, "share of rows that were read without an index",
            "seq_tup_read / (seq_tup_read + idx_tup_fetch)",
        ),
        Column("heap_bytes", "bytes", Kind.GAUGE, "without indexes and TOAST", "pg_table_size"),
        Column("rows", "rows", Kind.GAUGE, "live rows", "pg_stat_user_tables.n_live_tup"),
        Column(
            "last_seq_scan", "time", Kind.GAUGE, "last read whole; from PostgreSQL 16 on",
            "pg_stat_user_tables.last_seq_scan",
        ),
        Column("indexes", "count", Kind.GAUGE, "its indexes", "pg_index"),
        Column(
            "indexes_built", "count", Kind.COUNTER, "indexes built, which reads a table whole",
            "pg_stat_user_indexes, those that are new in the window",
        ),
    ),
    _read,
    (MISSING,),
)  # fmt: skip

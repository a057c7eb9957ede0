"""The large tables: what takes up space, and how fast that grows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from perf.pgstat.deltas import Change
from perf.pgstat.relations import Table
from perf.pgstat.results import Column, Finding, Kind, Row, Severity
from perf.pgstat.rollup import by_root, total
from perf.pgstat.section import Check, Reading, Section
from perf.pgstat.views import SIZES, Cell, Key

LEAST_INDEX_BYTES: Final = 10_000_000
INDEX_FACTOR: Final = 2
LEAST_WINDOW_S: Final = 3_600
_DAY_S: Final = 86_400
_PARTS: Final = ("heap_bytes", "index_bytes", "toast_bytes")


def _read(reading: Reading) -> Iterator[Row]:
    rows = [_row(reading, table, changes) for table, changes in by_root(reading, SIZES)]
    if estimated := sum(bool(row["is_estimate"]) for row in rows):
        reading.notes.append(
            f"The sizes of {estimated:,} tables are estimates of the last VACUUM or ANALYZE: others"
            " have locked them, and to ask would be to wait."
        )
    yield from sorted(rows, key=lambda row: -(row["total_bytes"] or 0))  # type: ignore[operator]


def _row(reading: Reading, table: Table, changes: Sequence[Change]) -> Row:
    whole = total(changes, *_PARTS)
    counted = [each for each in changes if each["relkind"] != "p"]
    known = all(each["estimated_rows"] is not None for each in counted)
    is_estimate = any(each["is_estimate"] for each in changes)
    return {
        "schema": table.schema,
        "table": table.name,
        "total_bytes": whole,
        **{part: total(changes, part) for part in _PARTS},
        "rows": total(counted, "estimated_rows") if known else None,
        "partitions": len(counted) if table.kind == "p" else None,
        "growth_bytes_per_day": None if is_estimate else _growth(reading, changes, whole),
        "is_estimate": is_estimate,
    }


def _growth(reading: Reading, changes: Sequence[Change], whole: int) -> float | None:
    """Between the samples of the window; None without a size of then of each part.

    A partition that is new within the window had no size then.
    """
    seconds = reading.deltas.window.seconds
    before = _before(reading)
    if before is None or not seconds or seconds < LEAST_WINDOW_S:
        return None
    then = [before[key] for each in changes if (key := (each["relid"],)) in before]
    if not then or any(row["is_estimate"] for row in then):
        return None
    was = sum(int(row[part] or 0) for row in then for part in _PARTS)
    return (whole - was) * _DAY_S / seconds


def _before(reading: Reading) -> Mapping[Key, Mapping[str, Cell]] | None:
    sample = reading.deltas.before
    found = sample.views.get(SIZES.name) if sample else None
    return found.keyed(SIZES) if found else None


def _heavy(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    for each in rows:
        row: Any = each
        if row["index_bytes"] < LEAST_INDEX_BYTES:
            continue
        if row["index_bytes"] <= INDEX_FACTOR * row["heap_bytes"]:
            continue
        yield HEAVY_INDEXES.finding(
            Severity.INFO,
            f"The indexes of {row['table']} take {row['index_bytes'] / 1e6:,.0f} MB, the table"
            f" itself {row['heap_bytes'] / 1e6:,.0f} MB.",
            place=reading.place(row["schema"], row["table"]),
            evidence=row,
            caveats=("The sections indexes and bloat tell which of them could go or shrink.",),
        )


HEAVY_INDEXES: Final = Check(
    "TB1",
    "heavy-indexes",
    "Tables whose indexes are far larger than themselves",
    "More than twice the table, from 10 MB of indexes on: below, whole pages of small indexes"
    " decide. No error, but each write pays for them.",
    _heavy,
)

SECTION: Final = Section(
    "tables",
    "Large tables",
    "What tables take up: rows, indexes and TOAST. Partitions are summed up in their table.",
    (
        Column("schema", "text", Kind.LABEL, "schema", "pg_namespace.nspname"),
        Column("table", "text", Kind.LABEL, "table", "pg_class.relname"),
        Column("total_bytes", "bytes", Kind.GAUGE, "all of it", "heap + indexes + TOAST"),
        Column(
            "heap_bytes", "bytes", Kind.GAUGE, "its rows, with the maps of free space and visible",
            "pg_table_size without TOAST",
        ),
        Column("index_bytes", "bytes", Kind.GAUGE, "its indexes", "pg_indexes_size"),
        Column(
            "toast_bytes", "bytes", Kind.GAUGE, "what is too long for a row",
            "pg_total_relation_size of reltoastrelid",
        ),
        Column(
            "rows", "rows", Kind.GAUGE, "rows, as of the last VACUUM or ANALYZE",
            "pg_class.reltuples",
        ),
        Column("partitions", "count", Kind.GAUGE, "its partitions", "pg_inherits"),
        Column(
            "growth_bytes_per_day", "bytes/day", Kind.RATIO,
            "growth a day; unknown with less than an hour between two samples",
            "Δ total_bytes / window",
        ),
        Column(
            "is_estimate", "text", Kind.LABEL, "whether a lock kept the size from being asked",
            "pg_locks",
        ),
    ),
    _read,
    (HEAVY_INDEXES,),
)  # fmt: skip

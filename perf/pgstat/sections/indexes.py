"""Each index: what it is, what it takes, and how often it was read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from perf.pgstat.deltas import Change, Flag
from perf.pgstat.indexes import (
    foreign_key,
    invalid,
    low_value,
    redundant,
    tenant_first,
    unused,
)
from perf.pgstat.relations import Index, indexes
from perf.pgstat.results import Column, Kind, Row
from perf.pgstat.section import Reading, Section
from perf.pgstat.views import TABLES


def _read(reading: Reading) -> Iterator[Row]:
    scans, writes = unused.scans(reading), _writes(reading)
    unknown = {"scans": None, "lifetime_scans": None, "last_scan": None, "flag": None}
    rows = [
        _row(index, scans.get(index.oid, unknown), writes.get(index.table_oid))
        for index in reading.once(indexes)
        if reading.wants(index.schema)
    ]
    yield from sorted(rows, key=lambda row: -int(row["size_bytes"] or 0))  # type: ignore[arg-type]


def _writes(reading: Reading) -> dict[int, int | None]:
    return {
        change["relid"]: _written(change)
        for change in reading.deltas.changes(TABLES)
        if change.flag is not Flag.EVICTED
    }


def _written(change: Change) -> int | None:
    """The rows that each index of a table had to take in: new ones, and changes that were not
    HOT."""
    parts = [change.get(name) for name in ("n_tup_ins", "n_tup_upd", "n_tup_hot_upd")]
    inserted, updated, hot = parts
    return None if None in parts else inserted + updated - hot


def _row(index: Index, scans: dict[str, Any], writes: int | None) -> Row:
    return {
        "oid": index.oid,
        "schema": index.schema,
        "table": index.table,
        "index": index.name,
        **scans,
        "rows_written": writes,
        "size_bytes": index.size_bytes,
        "is_estimate": index.is_estimate,
        "method": index.method,
        "is_valid": index.is_valid,
        "is_unique": index.is_unique,
        "is_partial": index.predicate is not None,
        "is_replica_identity": index.is_replica_identity,
        "is_part": index.parent is not None,
        "constraint": index.constraint,
        "definition": index.definition,
    }


SECTION: Final = Section(
    "indexes",
    "Indexes",
    "Each index, the largest first, with what it is for and how often it was read.",
    (
        Column("oid", "text", Kind.LABEL, "its id in the catalogue", "pg_index.indexrelid"),
        Column("schema", "text", Kind.LABEL, "schema", "pg_namespace.nspname"),
        Column("table", "text", Kind.LABEL, "table", "pg_class.relname"),
        Column("index", "text", Kind.LABEL, "index", "pg_class.relname"),
        Column(
            "scans", "count", Kind.COUNTER, "times it was read", "pg_stat_user_indexes.idx_scan"
        ),
        Column(
            "lifetime_scans", "count", Kind.GAUGE, "the same since its statistics began",
            "pg_stat_user_indexes.idx_scan",
        ),
        Column(
            "last_scan", "time", Kind.GAUGE, "last read; from PostgreSQL 16 on",
            "pg_stat_user_indexes.last_idx_scan",
        ),
        Column("flag", "text", Kind.LABEL, "what befell its counters in the window", "snapshots"),
        Column(
            "rows_written", "rows", Kind.COUNTER, "rows that it had to take in",
            "pg_stat_user_tables.n_tup_ins + n_tup_upd - n_tup_hot_upd",
        ),
        Column("size_bytes", "bytes", Kind.GAUGE, "size", "pg_relation_size"),
        Column(
            "is_estimate", "text", Kind.LABEL, "whether a lock kept the size from being asked",
            "pg_locks",
        ),
        Column("method", "text", Kind.LABEL, "access method", "pg_am.amname"),
        Column("is_valid", "text", Kind.LABEL, "whether queries use it", "pg_index.indisvalid"),
        Column("is_unique", "text", Kind.LABEL, "whether it is unique", "pg_index.indisunique"),
        Column("is_partial", "text", Kind.LABEL, "whether it has a condition", "pg_get_indexdef"),
        Column(
            "is_replica_identity", "text", Kind.LABEL, "whether replication names rows by it",
            "pg_index.indisreplident",
        ),
        Column(
            "is_part", "text", Kind.LABEL, "whether it is a part of a partitioned index",
            "pg_inherits",
        ),
        Column("constraint", "text", Kind.LABEL, "its constraint", "pg_constraint.conname"),
        Column("definition", "text", Kind.LABEL, "definition", "pg_get_indexdef"),
    ),
    _read,
    (
        unused.CHECK,
        redundant.CHECK,
        invalid.CHECK,
        foreign_key.CHECK,
        tenant_first.CHECK,
        low_value.CHECK,
    ),
)  # fmt: skip

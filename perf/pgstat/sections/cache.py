"""How much of what was asked for was in PostgreSQL's own memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from perf.pgstat.results import Column, Confidence, Finding, Kind, Row, Severity
from perf.pgstat.section import Check, NotEnough, Reading, Section, ratio
from perf.pgstat.views import TABLES_IO

LOW: Final = 0.95
LEAST_REQUESTS: Final = 10_000
LEAST_READ_BYTES_PER_S: Final = 1_000_000
_PARTS: Final = ("heap", "idx", "toast", "tidx")


def _read(reading: Reading) -> Iterator[Row]:
    block_bytes = int(reading.can.settings.get("block_size", 8192))
    seconds = reading.deltas.window.seconds
    rows = [_row(each, block_bytes, seconds) for each in reading.deltas.changes(TABLES_IO)]
    if reading.options.schemas:
        rows = [row for row in rows if row["schema"] in reading.options.schemas]
    rows.sort(key=lambda row: -(row["read_blocks"] or 0))  # type: ignore[operator]
    yield _total(rows, block_bytes, seconds)
    yield from rows


def _row(change: Any, block_bytes: int, seconds: float | None) -> Row:
    hits = [change.get(f"{part}_blks_hit") for part in _PARTS]
    reads = [change.get(f"{part}_blks_read") for part in _PARTS]
    hit, read = _sum(hits), _sum(reads)
    return {
        "schema": change["schemaname"],
        "table": change["relname"],
        "hit_blocks": hit,
        "read_blocks": read,
        "hit_ratio": _hit_ratio(hit, read),
        "table_hit_ratio": _hit_ratio(hits[0], reads[0]),
        "index_hit_ratio": _hit_ratio(hits[1], reads[1]),
        "read_bytes_per_s": ratio(read * block_bytes if read is not None else None, seconds),
    }


def _total(rows: Sequence[Row], block_bytes: int, seconds: float | None) -> Row:
    hit = _sum([row["hit_blocks"] for row in rows])
    read = _sum([row["read_blocks"] for row in rows])
    return {
        "schema": None,
        "table": "all tables",
        "hit_blocks": hit,
        "read_blocks": read,
        "hit_ratio": _hit_ratio(hit, read),
        "table_hit_ratio": None,
        "index_hit_ratio": None,
        "read_bytes_per_s": ratio(read * block_bytes if read is not None else None, seconds),
    }


def _sum(parts: Sequence[Any]) -> int | None:
    known = [each for each in parts if each is not None]  # a table without TOAST has none of it
    return sum(known) if known else None


def _hit_ratio(hit: Any, read: Any) -> float | None:
    return None if hit is None or read is None else ratio(hit, hit + read)


def _low(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    total: Any = rows[0]
    requests = (total["hit_blocks"] or 0) + (total["read_blocks"] or 0)
    if requests < LEAST_REQUESTS:
        raise NotEnough(
            f"{requests:,} blocks were asked for: a ratio says something from "
            f"{LEAST_REQUESTS:,} on."
        )
    per_s = total["read_bytes_per_s"]
    if total["hit_ratio"] >= LOW or (per_s is not None and per_s < LEAST_READ_BYTES_PER_S):
        return
    yield LOW_HITS.finding(
        Severity.WARNING,
        f"Of the blocks that were asked for, {1 - total['hit_ratio']:.1%} were not in"
        " PostgreSQL's memory.",
        confidence=Confidence.LOW if per_s is None else Confidence.MEDIUM,
        evidence=total,
        caveats=("The system's own cache of files is not seen: a read may have been no disk's.",),
    )


LOW_HITS: Final = Check(
    "CA1",
    "low-cache-hits",
    "Too little is found in memory",
    "A hit ratio below 95 %, of at least 10,000 blocks, with at least 1 MB/s read. The ratio alone "
    "says little after a restart, and the common tools do not agree on it: 99, 98.5, 95, 94 %.",
    _low,
)

SECTION: Final = Section(
    "cache",
    "Cache hits",
    "How many blocks were found in shared buffers, by table, with its indexes and TOAST.",
    (
        Column("schema", "text", Kind.LABEL, "schema", "pg_statio_user_tables.schemaname"),
        Column("table", "text", Kind.LABEL, "table", "pg_statio_user_tables.relname"),
        Column(
            "hit_blocks", "blocks", Kind.COUNTER, "found in memory",
            "sum of pg_statio_user_tables.*_blks_hit",
        ),
        Column(
            "read_blocks", "blocks", Kind.COUNTER, "asked of the system",
            "sum of pg_statio_user_tables.*_blks_read",
        ),
        Column("hit_ratio", "1", Kind.RATIO, "share found in memory", "hit / (hit + read)"),
        Column(
            "table_hit_ratio", "1", Kind.RATIO, "of the table's own blocks",
            "heap_blks_hit / (heap_blks_hit + heap_blks_read)",
        ),
        Column(
            "index_hit_ratio", "1", Kind.RATIO, "of its indexes' blocks",
            "idx_blks_hit / (idx_blks_hit + idx_blks_read)",
        ),
        Column(
            "read_bytes_per_s", "bytes/s", Kind.RATIO, "asked of the system",
            "read_blocks × block_size / window",
        ),
    ),
    _read,
    (LOW_HITS,),
)  # fmt: skip

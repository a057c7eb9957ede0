"""How the server writes: checkpoints, the write-ahead log, and who writes tables and indexes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from perf.pgstat.deltas import Change
from perf.pgstat.results import Column, Finding, Fix, Kind, Place, Row, Severity
from perf.pgstat.section import Check, NotEnough, Reading, Section, Unreadable, ratio
from perf.pgstat.views import BACKGROUND_WRITER, CHECKPOINTER, IO, WAL

LARGE_SHARE: Final = 0.3
LEAST_S: Final = 3_600
LEAST_CHECKPOINTS: Final = 4

# PostgreSQL 17 gave the checkpointer a view of its own, with other names.
_NAMES: Final = {
    "timed": ("num_timed", "checkpoints_timed"),
    "requested": ("num_requested", "checkpoints_req"),
    "write_time_ms": ("write_time", "checkpoint_write_time"),
    "sync_time_ms": ("sync_time", "checkpoint_sync_time"),
    "buffers_written": ("buffers_written", "buffers_checkpoint"),
}


def _read(reading: Reading) -> Iterator[Row]:
    view = CHECKPOINTER if reading.server.has(CHECKPOINTER.name) else BACKGROUND_WRITER
    found = reading.deltas.change(view)
    if found is None:
        raise Unreadable(f"{view.name} could not be read.")
    seconds = reading.deltas.seconds(view)
    named = {ours: _first(found, names) for ours, names in _NAMES.items()}
    total = (named["timed"] or 0) + (named["requested"] or 0)
    yield {
        "seconds": seconds,
        **named,
        "requested_share": ratio(named["requested"], total),
        **_wal(reading),
        **_writes(reading),
    }
    if reading.can.in_recovery:
        reading.notes.append("This server is a standby: its restart points are not counted here.")


def _first(found: Change, names: Sequence[str]) -> Any:
    return next((found.get(name) for name in names if name in found.values), None)


def _wal(reading: Reading) -> Row:
    found = reading.deltas.change(WAL)
    if found is None:
        return dict.fromkeys(("wal_bytes", "wal_bytes_per_s", "full_pages", "full_page_share"))
    wal_bytes, pages = found.get("wal_bytes"), found.get("wal_fpi")
    block_bytes = int(reading.can.settings.get("block_size", 8192))
    page_bytes = found.get("wal_fpi_bytes")  # from 19 on; before that the most that it can be
    if page_bytes is None and pages is not None and wal_bytes is not None:
        page_bytes = min(pages * block_bytes, wal_bytes)
    return {
        "wal_bytes": wal_bytes,
        "wal_bytes_per_s": ratio(wal_bytes, reading.deltas.seconds(WAL)),
        "full_pages": pages,
        "full_page_share": ratio(page_bytes, wal_bytes),
    }


def _writes(reading: Reading) -> Row:
    if not reading.server.has(IO.name):
        found = reading.deltas.change(BACKGROUND_WRITER)
        return {
            "backend_writes": found.get("buffers_backend") if found else None,
            "evictions": None,
        }
    # A bulk load writes through its own small ring, which is meant: that is no sign of want.
    normal = [
        each
        for each in reading.deltas.changes(IO)
        if each["object"] == "relation" and each["context"] == "normal"
    ]
    clients = [each for each in normal if each["backend_type"] == "client backend"]
    return {
        "backend_writes": _sum(clients, "writes"),
        "evictions": _sum(normal, "evictions"),
    }


def _sum(changes: Sequence[Change], name: str) -> int | None:
    known = [each[name] for each in changes if each.get(name) is not None]
    return sum(known) if known else None


def _find(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    row: Any = rows[0]
    total = (row["timed"] or 0) + (row["requested"] or 0)
    if row["seconds"] is None or row["seconds"] < LEAST_S:
        raise NotEnough("A window of at least an hour is needed.")
    if total < LEAST_CHECKPOINTS:
        raise NotEnough(
            f"There were {total} checkpoints: from {LEAST_CHECKPOINTS} on it can be told."
        )
    if row["requested_share"] > LARGE_SHARE:
        yield REQUESTED.finding(
            Severity.WARNING,
            f"{row['requested_share']:.0%} of {total} checkpoints did not wait for their time: "
            "max_wal_size is too small for what is written.",
            place=Place(name="max_wal_size"),
            evidence=row,
            fix=_fix(reading),
            caveats=("CREATE DATABASE, a base backup and a CHECKPOINT by hand request one too.",),
        )


def _fix(reading: Reading) -> Fix:
    doubled = 2 * int(reading.can.settings["max_wal_size"])  # in MB
    return Fix(
        sql=f"ALTER SYSTEM SET max_wal_size = '{doubled}MB'; SELECT pg_reload_conf();",
        undo_sql="ALTER SYSTEM RESET max_wal_size; SELECT pg_reload_conf();",
        online=True,
    )


REQUESTED: Final = Check(
    "CK",
    "requested-checkpoints",
    "Checkpoints before their time",
    "More than 30 % of at least 4 checkpoints in at least an hour: each makes the next writes of "
    "every page go whole into the write-ahead log. Some are always requested, by CREATE DATABASE "
    "or a backup.",
    _find,
)

_CHECKPOINTER: Final = "pg_stat_checkpointer, before 17 pg_stat_bgwriter"
SECTION: Final = Section(
    "checkpoints",
    "Checkpoints",
    "How the whole server writes: checkpoints, the write-ahead log, and who has to write pages.",
    (
        Column("seconds", "s", Kind.GAUGE, "counted for", "stats_reset, or the window"),
        Column("timed", "count", Kind.COUNTER, "checkpoints in time", _CHECKPOINTER),
        Column("requested", "count", Kind.COUNTER, "before their time", _CHECKPOINTER),
        Column("requested_share", "1", Kind.RATIO, "share", "requested / (timed + requested)"),
        Column("write_time_ms", "ms", Kind.COUNTER, "time of writing", _CHECKPOINTER),
        Column("sync_time_ms", "ms", Kind.COUNTER, "time of syncing", _CHECKPOINTER),
        Column("buffers_written", "blocks", Kind.COUNTER, "written by checkpoints", _CHECKPOINTER),
        Column("wal_bytes", "bytes", Kind.COUNTER, "write-ahead log", "pg_stat_wal.wal_bytes"),
        Column("wal_bytes_per_s", "bytes/s", Kind.RATIO, "a second", "wal_bytes / window"),
        Column("full_pages", "blocks", Kind.COUNTER, "whole pages in it", "pg_stat_wal.wal_fpi"),
        Column(
            "full_page_share", "1", Kind.RATIO, "their share of it, before 19 at most",
            "wal_fpi_bytes / wal_bytes, before 19 wal_fpi × block_size / wal_bytes",
        ),
        Column(
            "backend_writes", "blocks", Kind.COUNTER, "written by clients themselves",
            "pg_stat_io.writes, before 16 pg_stat_bgwriter.buffers_backend with bulk loads",
        ),
        Column(
            "evictions", "blocks", Kind.COUNTER, "driven out of shared buffers",
            "pg_stat_io.evictions",
        ),
    ),
    _read,
    (REQUESTED,),
)  # fmt: skip

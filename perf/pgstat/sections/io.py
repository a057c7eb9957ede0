"""Who has read and written what, as the server itself counts it."""

from __future__ import annotations

from typing import Any, Final

from perf.pgstat.deltas import Change
from perf.pgstat.results import Column, Kind, Row
from perf.pgstat.section import Reading, Section, Unreadable
from perf.pgstat.views import IO

_COUNTS: Final = ("reads", "writes", "extends", "hits", "evictions", "reuses", "fsyncs")
_TIMES: Final = ("read_time", "write_time", "extend_time", "fsync_time")


def _read(reading: Reading) -> list[Row]:
    if not reading.server.has(IO.name):
        raise Unreadable("PostgreSQL counts this from version 16 on.")
    if not reading.can.setting_on("track_io_timing"):
        reading.notes.append("Times are not known: track_io_timing is off.")
    found = reading.deltas.changes(IO)
    rows = [_row(each, reading) for each in found if any(each.get(name) for name in _COUNTS)]
    if idle := len(found) - len(rows):
        reading.notes.append(f"{idle} rows in which nothing was counted are left out.")
    return sorted(rows, key=_weight, reverse=True)


def _weight(row: Any) -> Any:
    return (row["read_bytes"] or 0) + (row["write_bytes"] or 0), row["hits"] or 0


def _row(change: Change, reading: Reading) -> Row:
    is_wal = change["object"] == "wal"
    timed = reading.can.setting_on("track_wal_io_timing" if is_wal else "track_io_timing")
    times = {f"{name}_ms": change.get(name) if timed else None for name in _TIMES}
    return {
        "backend_type": change["backend_type"],
        "object": change["object"],
        "context": change["context"],
        **{name: change.get(name) for name in _COUNTS},
        "read_bytes": _bytes(change, "read"),
        "write_bytes": _bytes(change, "write"),
        **times,
    }


def _bytes(change: Change, what: str) -> int | None:
    """Counted from 18 on; before that each is of `op_bytes`. None where it can't happen."""
    if f"{what}_bytes" in change.values:
        return change[f"{what}_bytes"]  # type: ignore[no-any-return]
    count, size = change.get(f"{what}s"), change.get("op_bytes")
    return None if count is None or size is None else count * size


def _column(key: str, unit: str, meaning: str) -> Column:
    return Column(key, unit, Kind.COUNTER, meaning, f"pg_stat_io.{key.removesuffix('_ms')}")


SECTION: Final = Section(
    "io",
    "Input and output",
    "Who of the whole server has read and written what, and how. Nothing where it can't happen.",
    (
        Column("backend_type", "text", Kind.LABEL, "who", "pg_stat_io.backend_type"),
        Column("object", "text", Kind.LABEL, "what", "pg_stat_io.object"),
        Column("context", "text", Kind.LABEL, "how", "pg_stat_io.context"),
        _column("reads", "count", "reads"),
        _column("writes", "count", "writes"),
        _column("extends", "count", "extensions of a file"),
        _column("hits", "blocks", "found in memory"),
        _column("evictions", "blocks", "driven out of memory"),
        _column("reuses", "blocks", "of a ring used again"),
        _column("fsyncs", "count", "syncs"),
        _column("read_bytes", "bytes", "read"),
        _column("write_bytes", "bytes", "written"),
        _column("read_time_ms", "ms", "time of reading"),
        _column("write_time_ms", "ms", "time of writing"),
        _column("extend_time_ms", "ms", "time of extending"),
        _column("fsync_time_ms", "ms", "time of syncing"),
    ),
    _read,
)

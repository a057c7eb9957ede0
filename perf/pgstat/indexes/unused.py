"""IX1: indexes that nothing has read for long, and that serve no rule."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from perf.pgstat.deltas import Flag
from perf.pgstat.fixes import drop_index
from perf.pgstat.indexes.coverage import is_only_cover, severity
from perf.pgstat.relations import Index, indexes
from perf.pgstat.results import Confidence, Finding, Row, Severity
from perf.pgstat.section import Check, NotEnough, Reading
from perf.pgstat.server import Server
from perf.pgstat.views import INDEXES

LEAST_DAYS: Final = 14
LEAST_BYTES: Final = 1_000_000
_DAY_S: Final = 86_400


def _find(reading: Reading, rows: Sequence[Row]) -> Iterator[Finding]:
    window = reading.deltas.window
    days = (window.seconds or 0) / _DAY_S
    if reading.deltas.before is None:
        raise NotEnough(
            "The counters since the statistics began say not for how long: take snapshots for"
            f" {LEAST_DAYS} days."
        )
    if days < LEAST_DAYS:
        raise NotEnough(f"The window has {days:.1f} days; this needs {LEAST_DAYS}.")
    known = {index.oid: index for index in reading.once(indexes)}
    for row in rows:
        index = known[row["oid"]]  # type: ignore[index]
        if _is_unused(reading, row) and not _has_purpose(reading, index):
            yield _finding(reading, index, row)


def _is_unused(reading: Reading, row: Any) -> bool:
    """None of its scans are known, and it was there for the whole window."""
    last = row["last_scan"]
    return bool(
        row["scans"] == 0
        and row["flag"] == Flag.PLAIN
        and (last is None or last < reading.deltas.window.since)
        and row["size_bytes"] >= LEAST_BYTES
    )


def _has_purpose(reading: Reading, index: Index) -> bool:
    """Whether it is for more than reading, or can't go by itself."""
    if index.is_primary or index.is_unique or index.is_exclusion or index.constraint:
        return True
    if index.is_replica_identity or index.is_referenced or index.parent or not index.works:
        return True
    return is_only_cover(reading, index)


def _finding(reading: Reading, index: Index, row: Any) -> Finding:
    place = reading.place(index.schema, index.table, index.name)
    doubts = list(_doubts(reading))
    days = (reading.deltas.window.seconds or 0) / _DAY_S
    return CHECK.finding(
        severity(place, Severity.WARNING),
        f"Nothing has read {index.name} for {days:.0f} days; it takes"
        f" {index.size_bytes / 1e6:,.1f} MB.",
        confidence=Confidence.LOW if doubts else Confidence.MEDIUM,
        place=place,
        evidence=row,
        fix=drop_index(reading.models, index),
        caveats=(
            *doubts,
            "What runs once a month or a year may need it: a window should have seen that.",
        ),
    )


def _doubts(reading: Reading) -> Iterator[str]:
    if reading.can.in_recovery:
        yield "This is a replica: what the primary reads is counted there."
    elif reading.once(_has_replicas):
        yield "There are replicas, whose reads are not counted here: look there, too."
    yield from reading.deltas.window.notes


def _has_replicas(server: Server) -> bool:
    found: bool = server.value(
        "SELECT EXISTS (SELECT FROM pg_stat_replication)"
        " OR EXISTS (SELECT FROM pg_replication_slots WHERE slot_type = 'physical')"
    )
    return found


def scans(reading: Reading) -> dict[int, dict[str, Any]]:
    """What is counted of each index over the window, by its id; a part of a partitioned index
    counts for that, too."""
    lifetime = {}
    if view := reading.deltas.after.views.get(INDEXES.name):
        lifetime = {key[1]: row for key, row in view.keyed(INDEXES).items()}
    found = {
        change["indexrelid"]: {
            "scans": change.get("idx_scan"),
            "lifetime_scans": lifetime[change["indexrelid"]]["idx_scan"],
            "last_scan": change.get("last_idx_scan"),
            "flag": change.flag,
        }
        for change in reading.deltas.changes(INDEXES)
        if change.flag is not Flag.EVICTED
    }
    children: dict[int, list[int]] = {}
    for index in reading.once(indexes):
        if index.parent:
            children.setdefault(index.parent, []).append(index.oid)
    for whole in (each for each in reading.once(indexes) if each.is_partitioned):
        parts = [found[part] for part in _parts(children, whole.oid) if part in found]
        if parts:
            found[whole.oid] = _sum(parts)
    return found


def _parts(children: Mapping[int, Sequence[int]], oid: int) -> Iterator[int]:
    """The indexes below a partitioned one, down to the last."""
    for part in children.get(oid, ()):
        yield part
        yield from _parts(children, part)


def _sum(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    def total(name: str) -> int | None:
        known = [part[name] for part in parts]
        return None if None in known else sum(known)

    # One partition that is new says nothing of the others, a reset of one does.
    flags = {part["flag"] for part in parts}
    whole = Flag.PLAIN if flags <= {Flag.PLAIN, Flag.NEW} and Flag.PLAIN in flags else max(flags)
    return {
        "scans": total("scans"),
        "lifetime_scans": total("lifetime_scans"),
        "last_scan": max((part["last_scan"] for part in parts if part["last_scan"]), default=None),
        "flag": whole,
    }


CHECK: Final = Check(
    "IX1",
    "unused-index",
    "Indexes that nothing reads",
    "No scan in a window of snapshots of at least 14 days, at least 1 MB. Tools warn at 0 to 50"
    " scans since a reset of an unknown age; that a month's end is within the window is better."
    " Never the index of a key, a constraint, a replica identity, the only one of a foreign key, or"
    " a part of a partitioned one.",
    _find,
)

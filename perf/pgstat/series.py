"""A few figures of each snapshot, which plots are drawn from without opening its sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from perf.pgstat.results import Point, Series
from perf.pgstat.section import ratio
from perf.pgstat.views import DATABASE, SIZES, STATEMENT_COUNTS, WAL, Sample

type Figures = dict[str, int | float | None]

_PER_S: Final = (
    ("Transactions", "count/s", "transactions"),
    ("Statements", "calls/s", "calls"),
    ("Time of statements", "ms/s", "exec_ms"),
    ("Read from outside of memory", "blocks/s", "blks_read"),
    ("WAL", "bytes/s", "wal_bytes"),
)
_GAUGES: Final = (("Size of all tables", "bytes", "size_bytes"), ("Sessions", "count", "sessions"))


def figures(sample: Sample) -> Figures:
    """The figures of a sample; None for what could not be read."""
    return {
        "transactions": _total(sample, DATABASE.name, "xact_commit", "xact_rollback"),
        "blks_hit": _total(sample, DATABASE.name, "blks_hit"),
        "blks_read": _total(sample, DATABASE.name, "blks_read"),
        "sessions": _total(sample, DATABASE.name, "numbackends"),
        "calls": _total(sample, STATEMENT_COUNTS.name, "calls"),
        "exec_ms": _total(sample, STATEMENT_COUNTS.name, "total_exec_time"),
        "wal_bytes": _total(sample, WAL.name, "wal_bytes"),
        "size_bytes": _total(sample, SIZES.name, "heap_bytes", "index_bytes", "toast_bytes"),
    }


def _total(sample: Sample, view: str, *columns: str) -> Any:
    found = sample.views.get(view)
    if found is None or not set(columns) <= found.columns.keys():
        return None
    return sum(each or 0 for name in columns for each in found.columns[name])


def series(taken: Sequence[tuple[datetime, Figures]]) -> list[Series]:
    """What the figures were over time, from snapshots in the order of their taking.

    A counter that fell was reset: nothing is known of the time before that, and nothing drawn.
    """
    return [
        Series("Found in memory", "1", tuple(_points(taken, _hit_ratio))),
        *(Series(title, unit, tuple(_points(taken, _rate(name)))) for title, unit, name in _PER_S),
        *(
            Series(title, unit, tuple(Point(_text(at), found.get(name)) for at, found in taken))
            for title, unit, name in _GAUGES
        ),
    ]


def _points(taken: Iterable[tuple[datetime, Figures]], figure: Any) -> Iterator[Point]:
    before: tuple[datetime, Figures] | None = None
    for at, found in taken:
        if before is not None:
            yield Point(_text(at), figure(before[1], found, (at - before[0]).total_seconds()))
        before = at, found


def _rate(name: str) -> Any:
    def rate(was: Figures, now: Figures, seconds: float) -> float | None:
        return ratio(_gain(was, now, name), seconds)

    return rate


def _gain(was: Figures, now: Figures, name: str) -> float | None:
    then, later = was.get(name), now.get(name)
    return None if then is None or later is None or later < then else later - then


def _hit_ratio(was: Figures, now: Figures, seconds: float) -> float | None:
    hit, read = _gain(was, now, "blks_hit"), _gain(was, now, "blks_read")
    return None if hit is None or read is None else ratio(hit, hit + read)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds")

"""What the counters gained between two samples, aware of what was reset or forgotten meanwhile.

A counter that was reset has counted anew: what it shows now is what is known of the window. A
statement that PostgreSQL forgot and met again likewise. Neither is ever told as a negative number.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from perf.pgstat.results import Window
from perf.pgstat.views import (
    BACKGROUND_WRITER,
    CHECKPOINTER,
    DATABASE,
    IO,
    STATEMENT_INFO,
    WAL,
    Captured,
    Cell,
    Key,
    Sample,
    View,
)

# Those that have one time of reset for all their rows.
_WHOLE: Final = (DATABASE, BACKGROUND_WRITER, CHECKPOINTER, WAL, IO)


class Flag(StrEnum):
    """What happened to a row within the window."""

    PLAIN = ""
    NEW = "new"  # was not there at its beginning: all that it counted is of the window
    RESET = "reset"  # counted anew: what came before that is lost
    EVICTED = "evicted"  # not there at its end: what it counted since the beginning is lost


@dataclass(frozen=True, slots=True)
class Change:
    """A row of a view over the window: counters are gains, gauges and keys are of its end."""

    values: dict[str, Any]
    flag: Flag = Flag.PLAIN

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str) -> Any:
        """A value, None where this server has no such column or does not know it."""
        return self.values.get(name)


@dataclass(frozen=True, slots=True)
class Deltas:
    """What all views gained, and the samples that this is told from; `before` is None for all
    since the statistics began."""

    before: Sample | None
    after: Sample

    def changes(self, view: View) -> list[Change]:
        """The rows of a view over the window; none where it can't be read."""
        after = self.after.views.get(view.name)
        if after is None:
            return []
        if self.before is None:
            return [Change(row) for row in after.keyed(view).values()]
        before = self.before.views.get(view.name)
        if before is None:  # could not be read then: what was gained since, nobody knows
            return [_unknown(view, row, list(after.columns)) for row in after.keyed(view).values()]
        return list(_changes(view, before, after))

    def change(self, view: View) -> Change | None:
        """The row of a view that has only one."""
        return next(iter(self.changes(view)), None)

    def seconds(self, view: View) -> float | None:
        """How long a view with one time of reset has counted within the window.

        Each has its own: pg_stat_statements counts on where the database's statistics were reset.
        None where nobody knows.
        """
        reset_at = _since(self.after, view)
        if self.before is None:
            return _seconds(reset_at, self.after.taken_at)
        whole = (self.after.taken_at - self.before.taken_at).total_seconds()
        if reset_at is None or reset_at == _since(self.before, view):
            return whole
        return _seconds(reset_at, self.after.taken_at)

    @property
    def window(self) -> Window:
        """The window as it is printed with each report."""
        until = self.after.taken_at.isoformat(timespec="seconds")
        if not self.after.views:
            return Window(None, until, "now", None)
        if self.before is None:
            since = _reset_at(self.after)
            return Window(
                since=since,
                until=until,
                source="lifetime",
                seconds=_seconds(since, self.after.taken_at),
                notes=_lifetime_notes(since),
            )
        return Window(
            since=self.before.taken_at.isoformat(timespec="seconds"),
            until=until,
            source="snapshots",
            seconds=(self.after.taken_at - self.before.taken_at).total_seconds(),
            notes=tuple(_notes(self.before, self.after)),
        )


def _unknown(view: View, row: dict[str, Cell], columns: list[str]) -> Change:
    _, counters = view.kinds(columns)
    return Change({**row, **dict.fromkeys(counters)})


def _changes(view: View, before: Captured, after: Captured) -> Iterator[Change]:
    old, new = before.keyed(view), after.keyed(view)
    gauges, counters = view.kinds(list(after.columns))
    for key, row in new.items():
        was = old.get(key)
        flag = _flag(view, was, row, counters)
        gained = row if flag else {name: _gain(was, row, name) for name in counters}
        kept = {name: row.get(name) for name in (*view.keys, *gauges)}
        yield Change({**kept, **{name: gained[name] for name in counters}}, flag)
    for key in old.keys() - new.keys():
        yield Change(_lost(view, key, old[key]), Flag.EVICTED)


def _flag(
    view: View, was: dict[str, Cell] | None, row: dict[str, Cell], counters: list[str]
) -> Flag:
    if was is None:
        return Flag.NEW
    if view.since and was.get(view.since) != row.get(view.since):
        return Flag.RESET
    if any(_fell(was.get(name), row[name]) for name in counters):
        return Flag.RESET
    return Flag.PLAIN


def _fell(was: Any, now: Any) -> bool:
    return isinstance(was, int | float) and isinstance(now, int | float) and now < was


def _gain(was: dict[str, Cell] | None, row: dict[str, Cell], name: str) -> Any:
    now, then = row[name], (was or {}).get(name)
    if now is None or isinstance(now, str | bool):
        return now
    if then is None:
        return None  # a column that the older sample did not have
    return now - then  # type: ignore[operator]


def _lost(view: View, key: Key, row: dict[str, Cell]) -> dict[str, Any]:
    gauges = {name: value for name, value in row.items() if name in view.gauges}
    unknown = dict.fromkeys(row)
    return {**unknown, **gauges, **dict(zip(view.keys, key, strict=True))}


def _notes(before: Sample, after: Sample) -> Any:
    if before.started_at != after.started_at:
        yield f"The server was started at {after.started_at}, within the window."
    for view in _WHOLE:
        # What was never reset before has no time at all.
        is_known = view.name in before.views and view.name in after.views
        if is_known and (now := _since(after, view)) and now != _since(before, view):
            yield f"{view.name} was reset at {now}, within the window."
    evicted = _evictions(after) - _evictions(before)
    if evicted > 0:
        yield f"PostgreSQL has forgotten statements {evicted:,} times within the window."


def _evictions(sample: Sample) -> int:
    found = sample.views.get(STATEMENT_INFO.name)
    return int(found.first("dealloc") or 0) if found else 0


def _since(sample: Sample, view: View) -> str | None:
    found = sample.views.get(view.name)
    value = found.first("stats_reset") if found else None
    return str(value) if value else None


def _reset_at(sample: Sample) -> str | None:
    return _since(sample, DATABASE)


def _seconds(since: str | None, until: datetime) -> float | None:
    return (until - datetime.fromisoformat(since)).total_seconds() if since else None


def _lifetime_notes(since: str | None) -> tuple[str, ...]:
    if since is None:
        return ("Nobody knows since when these counters count: take snapshots for a window.",)
    return (
        "A reset of one table's counters moves the time of all: only snapshots make a window that "
        "one can rely on.",
    )

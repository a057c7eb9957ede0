"""Counters of partitions, as sums of the table that they are parts of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from perf.pgstat.deltas import Change, Flag
from perf.pgstat.relations import Table, tables
from perf.pgstat.section import Reading
from perf.pgstat.views import View


def by_root(reading: Reading, view: View) -> Iterable[tuple[Table, list[Change]]]:
    """Each table that is no partition, with its own row of a view and those of its partitions.

    What was dropped within the window is left out, and schemas that nobody wants. Raises
    `Unreadable` where the view was not read.
    """
    known = reading.once(tables)
    groups: dict[int, list[Change]] = {}
    for change in reading.changes(view):
        table = known.get(change["relid"])
        if table is not None and change.flag is not Flag.EVICTED:
            groups.setdefault(table.root, []).append(change)
    for oid, changes in groups.items():
        if oid in known and reading.wants(known[oid].schema):
            yield known[oid], changes


def total(changes: Iterable[Change], *names: str) -> Any:
    """The sum of these columns as far as they are known, None where none of them is."""
    found = [change.get(name) for change in changes for name in names]
    known = [each for each in found if each is not None]
    return sum(known) if known else None


def latest(changes: Sequence[Change], name: str) -> str | None:
    """The latest of times, None for never, or where this server does not say."""
    return max((each.get(name) for each in changes if each.get(name)), default=None)

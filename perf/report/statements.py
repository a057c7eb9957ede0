"""Statements that are alike are shown once: a way that asks once a row sends hundreds of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from perf.engine.results import Counters, PairResult, Statement
from perf.report import figures

UNEXPLAINED: Final = "(PostgreSQL explains nothing of this.)"

_LITERAL: Final = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b")
_LIST: Final = re.compile(r"\?(?:\s*,\s*\?)+")


@dataclass(frozen=True, slots=True)
class Alike:
    """A statement, how many of its kind there were, and the blocks and rows of all of them."""

    first: Statement
    times: int
    blocks_hit: int
    blocks_read: int
    rows: int
    wal_bytes: int

    @property
    def cost(self) -> str:
        """What they cost, in a line."""
        parts = [
            f"{figures.count(self.blocks_hit)} blocks found in memory",
            f"{figures.count(self.blocks_read)} fetched",
            figures.plural(self.rows, "row"),
        ]
        if self.wal_bytes:
            parts.append(f"{figures.size_bytes(self.wal_bytes)} of WAL")
        many = f"{figures.count(self.times)} like this, together: " if self.times > 1 else ""
        return many + ", ".join(parts)


def alike(statements: Iterable[Statement]) -> tuple[Alike, ...]:
    """The statements by their text without values and their plan's shape, in order of the first."""
    groups: dict[tuple[str, str], list[Statement]] = {}
    for each in statements:
        groups.setdefault((without_values(each.sql), each.fingerprint), []).append(each)
    return tuple(_group(each) for each in groups.values())


def without_values(sql: str) -> str:
    """The text with `?` for each literal.

    >>> without_values("SELECT 1 FROM task WHERE title = 'it''s' AND id IN (1, 2, 3)")
    'SELECT ? FROM task WHERE title = ? AND id IN (?)'
    """
    return _LIST.sub("?", _LITERAL.sub("?", sql))


@dataclass(frozen=True, slots=True)
class Shape:
    """The plans of a way over the sizes at which they have one shape; counted at the largest."""

    smallest: int
    largest: int
    counters: Counters

    @property
    def at(self) -> str:
        """At which sizes, in words."""
        if self.smallest == self.largest:
            return f"at {figures.plural(self.largest, 'row')}"
        smallest = figures.count(self.smallest)
        return f"at {figures.plural(self.largest, 'row')}, in the same shape from {smallest} on"


def shapes(pair: PairResult, way: str) -> tuple[Shape, ...]:
    """The plans of a way, each shape once: what a size changes is that there is another one."""
    found: list[Shape] = []
    for size in sorted(pair.sizes, key=lambda each: each.size):
        seen = size.variant(way)
        if seen is None or seen.counters is None:
            continue
        smallest = size.size
        if found and found[-1].counters.fingerprint == seen.counters.fingerprint:
            smallest = found.pop().smallest
        found.append(Shape(smallest, size.size, seen.counters))
    return tuple(found)


def blocks_text(counters: Counters | None) -> str:
    """The most blocks that a draw asked for: what a claim on blocks is judged by."""
    return figures.count(max(_by_draw(counters)) if counters else None)


def blocks_range(counters: Counters | None) -> str:
    """The fewest and the most blocks of all draws."""
    if counters is None:
        return figures.UNKNOWN
    low, high = min(_by_draw(counters)), max(_by_draw(counters))
    return figures.count(low) if low == high else f"{figures.count(low)}–{figures.count(high)}"


def _by_draw(counters: Counters) -> tuple[int, ...]:
    return counters.blocks_by_draw or (counters.blocks,)


def statements_text(counters: Counters | None) -> str:
    return figures.UNKNOWN if counters is None else figures.count(counters.sent)


def _group(found: list[Statement]) -> Alike:
    return Alike(
        first=found[0],
        times=sum(each.times for each in found),
        blocks_hit=sum(each.blocks_hit for each in found),
        blocks_read=sum(each.blocks_read for each in found),
        rows=sum(each.rows for each in found),
        wal_bytes=sum(each.wal_bytes for each in found),
    )

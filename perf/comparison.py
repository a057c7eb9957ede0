"""Two kept runs beside each other: what is counted otherwise, and which ratios have moved."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from perf.engine.results import Counters, Interval, Run, SizeResult
from perf.engine.statistics import ratio_of
from perf.engine.welch import difference

# What makes times of two runs comparable at all, though they were not taken in turns.
SAME_MACHINE: Final = ("PostgreSQL", "Python", "Django", "psycopg", "CPUs", "CPU", "shared_buffers")


class Change(StrEnum):
    """What became of a figure."""

    SAME = "same"
    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"
    OTHER = "other"  # another plan: neither better nor worse by itself


@dataclass(frozen=True, slots=True)
class Count:
    """What one call of one way costs; `plans` has each plan's form once."""

    statements: int
    rows: int
    blocks: int
    wal_bytes: int
    plans: tuple[str, ...]
    full_pages: int = 0  # in the WAL


def count_of(found: Counters) -> Count:
    """The counts of the first draw."""
    return Count(
        statements=found.sent,
        rows=found.rows,
        blocks=found.blocks,
        wal_bytes=found.wal_bytes,
        full_pages=found.full_pages,
        plans=tuple(dict.fromkeys(each.fingerprint for each in found.statements)),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of one pair in both runs. `what` and `text` are words for a reader."""

    pair: str
    size: int
    variant: str
    what: str
    change: Change
    text: str
    ratio: Interval | None = None


def compare(one: Run, other: Run) -> list[Difference]:
    """What differs from `one` to `other` in all that both have: first what is refused now or no
    more, then what returns something else, then what is counted."""
    shared = list(_shared(one, other))
    refused = [each for place in shared for each in _refused(*place)]
    sound = [each for each in shared if not (each[1].refusal or each[2].refusal)]
    results = [each for place in sound for each in _results(*place)]
    counts = [each for place in sound if not any(_results(*place)) for each in _counted(*place)]
    times = [each for place in sound for each in _timed(*place, other)]
    return refused + results + counts + times


def is_comparable(one: Run, other: Run) -> bool:
    """Whether the two have a pair at a size in common."""
    return any(_shared(one, other))


def unlike(one: Run, other: Run) -> list[str]:
    """In what the machines of two runs differ, or the state of PostgreSQL's memory: then only
    counts and ratios mean something, or counts alone."""
    caches = one.method.cache, other.method.cache
    told = [] if caches[0] == caches[1] else [f"cache: {caches[0]} and {caches[1]}"]
    return told + [
        f"{name}: {one.environment.get(name, '–')} and {other.environment.get(name, '–')}"
        for name in SAME_MACHINE
        if one.environment.get(name) != other.environment.get(name)
    ]


def _shared(one: Run, other: Run) -> Iterator[tuple[str, SizeResult, SizeResult]]:
    theirs = {(pair.name, size.size): size for pair in other.pairs for size in pair.sizes}
    for pair in one.pairs:
        for size in pair.sizes:
            if (found := theirs.get((pair.name, size.size))) is not None:
                yield pair.name, size, found


def _refused(pair: str, one: SizeResult, other: SizeResult) -> Iterator[Difference]:
    if bool(one.refusal) != bool(other.refusal):
        change = Change.WORSE if other.refusal else Change.BETTER
        text = other.refusal or f"no more; it was: {one.refusal}"
        yield Difference(pair, one.size, "all ways", "refused", change, text)


def _results(pair: str, one: SizeResult, other: SizeResult) -> Iterator[Difference]:
    """That the counted calls returned something else. Runs draw the same arguments for them unless
    told otherwise, so these were other draws (`--seed`), other data, or there are other rows now.
    """
    if one.digest and other.digest and one.digest != other.digest:
        text = "other ones: of other draws or data, or from other code; counts are not compared"
        yield Difference(pair, one.size, "all ways", "results", Change.OTHER, text)


def _counted(pair: str, one: SizeResult, other: SizeResult) -> Iterator[Difference]:
    for variant in one.variants:
        found = other.variant(variant.name)
        if variant.counters is None or found is None or found.counters is None:
            continue
        ours, theirs = count_of(variant.counters), count_of(found.counters)
        for what, change, text in counted_changes(ours, theirs):
            yield Difference(pair, one.size, variant.name, what, change, text)


def counted_changes(one: Count, other: Count) -> Iterator[tuple[str, Change, str]]:
    """What two counts of the same call differ by: exactly in statements, rows and plans; in blocks
    by more than 2 and 5 %, as a page more or less of a B-tree is chance; in WAL by more than 1 KiB
    and 10 %, where it has no page whole: which pages a checkpoint makes whole is chance."""
    if one.statements != other.statements:
        change = _direction(one.statements, other.statements)
        yield "statements", change, f"{one.statements:,} → {other.statements:,}"
    if one.rows != other.rows:  # fewer may be rows that are missing now
        change = Change.WORSE if other.rows > one.rows else Change.OTHER
        yield "rows", change, f"{one.rows:,} → {other.rows:,}"
    if one.plans != other.plans:
        yield "plan", Change.OTHER, f"{'; '.join(one.plans)} → {'; '.join(other.plans)}"
    if abs(other.blocks - one.blocks) > max(2, 0.05 * one.blocks):
        yield "blocks", _direction(one.blocks, other.blocks), f"{one.blocks:,} → {other.blocks:,}"
    is_comparable = not (one.full_pages or other.full_pages)
    if is_comparable and abs(other.wal_bytes - one.wal_bytes) > max(1024, 0.1 * one.wal_bytes):
        change = _direction(one.wal_bytes, other.wal_bytes)
        yield "WAL bytes", change, f"{one.wal_bytes:,} → {other.wal_bytes:,}"


def _direction(before: float, after: float) -> Change:
    return Change.WORSE if after > before else Change.BETTER


def _timed(pair: str, one: SizeResult, other: SizeResult, run: Run) -> Iterator[Difference]:
    for found in one.comparisons:
        logs = [_logs(size, found.efficient, found.naive, run) for size in (one, other)]
        moved = difference(logs[0], logs[1], run.method.confidence)
        if moved is None:
            continue
        by = Interval(*(math.exp(each) for each in (moved.estimate, moved.low, moved.high)))
        what = f"ratio to {found.naive}"
        change = moved_by(by, run.method.margin)
        text = f"{by.estimate:.3g} [{by.low:.3g}, {by.high:.3g}] times what it was"
        yield Difference(pair, one.size, found.efficient, what, change, text, by)


def moved_by(ratio: Interval, margin: float) -> Change:
    """What an interval of after to before says, where more is better."""
    if ratio.low > 1 / (1 + margin) and ratio.high < 1 + margin:
        return Change.SAME
    if ratio.high < 1 / (1 + margin):
        return Change.WORSE
    return Change.BETTER if ratio.low > 1 + margin else Change.UNDECIDED


def _logs(size: SizeResult, efficient: str, naive: str, run: Run) -> tuple[float, ...]:
    ours, theirs = size.variant(efficient), size.variant(naive)
    if ours is None or theirs is None or len(ours.samples) != len(theirs.samples):
        return ()
    if not ours.samples:
        return ()
    return ratio_of(theirs.samples, ours.samples, seed=run.method.seed).by_execution

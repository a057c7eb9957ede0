"""Results put together by hand, for tests of what is made of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Final

from perf.engine.results import (
    VERSION,
    Comparison,
    Counters,
    Growth,
    Interval,
    Method,
    PairResult,
    Run,
    SizeResult,
    Statement,
    VariantInfo,
    VariantResult,
    Verdict,
)

METHOD: Final = Method(
    executions=4,
    rounds=2,
    draws=3,
    sample_ms=20.0,
    confidence=0.95,
    margin=0.1,
    cache="warm",
    seed=1,
)
ENVIRONMENT: Final = {"PostgreSQL": "18.6", "Python": "3.13.0", "CPUs": "2", "commit": "abc"}
RATIO: Final = Interval(5.0, 4.0, 6.0)


def counters(**changes: Any) -> Counters:
    """One statement of 10 blocks, 1 row and an index; `blocks` also for each of two draws."""
    draws = changes.pop("draws", None)
    found = Statement(
        sql="SELECT 1",
        fingerprint="Index Scan a_idx a",
        indexes=("a_idx",),
        rows=1,
        blocks_hit=10,
        wal_bytes=0,
    )
    found = dataclasses.replace(found, **changes)
    return Counters((found,), draws or (found.blocks_hit, found.blocks_hit), peak_bytes=100)


def way(
    name: str, count: Counters | None = None, samples: Sequence[Sequence[float]] = ()
) -> VariantResult:
    """A way with its counters and its samples."""
    rounds = tuple(tuple(each) for each in samples)
    return VariantResult(name, count, 1, rounds, None, gc_share=0.0)


def size(
    rows: int = 1_000,
    *ways: VariantResult,
    ratio: Interval | None = RATIO,
    reason: str = "",
    refusal: str = "",
) -> SizeResult:
    """The ways "good" and "bad" at one size."""
    found = ways or (way("good", counters()), way("bad", counters(blocks_hit=100)))
    comparison = Comparison("good", "bad", Verdict.EFFICIENT, ratio=ratio, reason=reason)
    return SizeResult(rows, 1, "digest", found, (comparison,), refusal)


def pair(*sizes: SizeResult, growth: Sequence[Growth] = (), **changes: Any) -> PairResult:
    """A pair of two ways, at one size unless others are given."""
    found = PairResult(
        name="app.pair",
        title="A pair",
        page="page",
        caveat="Never.",
        variants=(VariantInfo("good", True, "Good"), VariantInfo("bad", False, "Bad")),
        sizes=sizes or (size(),),
        growth=tuple(growth),
        payoffs=(),
        claims=(),
    )
    return dataclasses.replace(found, **changes)


def run(*pairs: PairResult, **changes: Any) -> Run:
    """A run of those pairs, or of one."""
    found = Run(
        version=VERSION,
        id="20261126-140531-0a1b",
        command="manage.py benchmark run",
        started_at="2026-11-26T14:05:31+00:00",
        ended_at="2026-11-26T14:21:07+00:00",
        method=METHOD,
        environment=dict(ENVIRONMENT),
        controls=None,
        pairs=pairs or (pair(),),
    )
    return dataclasses.replace(found, **changes)

"""The plain figures of a set of samples. Standard library only: the service runs without numpy."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import Final

from perf.engine.results import Summary

_ROUNDING: Final = (
    1e-9  # 0.9 · 10 must be rank 9, though 1 / (1 - 0.9) is above 10 in floating point
)


def summary(samples: Sequence[float]) -> Summary:
    """The figures of `samples`, in nanoseconds of a call. Their order is of no importance.

    `stdev_ns` is of a sample (n - 1), `p95_ns` by `percentile`; None where n is too small for it.
    Raises ValueError without a sample.
    """
    if not samples:
        raise ValueError("No samples: there is nothing to sum up.")
    return Summary(
        n=len(samples),
        mean_ns=statistics.fmean(samples),
        median_ns=float(statistics.median(samples)),
        stdev_ns=float(statistics.stdev(samples)) if len(samples) > 1 else None,
        min_ns=float(min(samples)),
        max_ns=float(max(samples)),
        p95_ns=percentile(samples, 0.95),
    )


def percentile(values: Sequence[float], q: float) -> float | None:
    """The smallest of `values` that at least the share `q` of them does not exceed, 0 < q < 1.

    The nearest rank: definition 1 of Hyndman & Fan, "Sample quantiles in statistical packages", The
    American Statistician 50 (1996). It is always a value that was seen, and no mean of two.

    None with fewer than 1 / (1 - q) values: the nearest rank is their maximum then, and nothing
    that was seen tells how far the tail goes on. p95 needs 20 values, p99 needs 100.

    >>> percentile(range(1, 21), 0.95), percentile(range(1, 20), 0.95)
    (19.0, None)
    """
    if not 0 < q < 1:
        raise ValueError(f"q is {q}, but must be between 0 and 1, as 0.95 is.")
    n = len(values)
    if n * (1 - q) < 1 - _ROUNDING:
        return None
    rank = max(1, math.ceil(q * n - _ROUNDING))
    return float(sorted(values)[rank - 1])

"""Two runs that were not interleaved: the difference of their means."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from perf.engine.results import Interval
from perf.engine.student import student_quantile


def difference(
    one: Sequence[float], other: Sequence[float], confidence: float = 0.95
) -> Interval | None:
    """The mean of `other` less that of `one`, whose variances may differ; None with fewer than two
    values of either.

    B. L. Welch, "The generalization of 'Student's' problem when several different population
    variances are involved", Biometrika 34 (1947). It holds for independent values: what drifts
    between the two runs is not in it.
    """
    if len(one) < 2 or len(other) < 2:
        return None
    estimate = statistics.fmean(other) - statistics.fmean(one)
    parts = [statistics.variance(each) / len(each) for each in (one, other)]
    total = sum(parts)
    if total == 0:
        return Interval(estimate, estimate, estimate)
    weights = sum(part**2 / (len(each) - 1) for part, each in zip(parts, (one, other), strict=True))
    half = student_quantile((1 + confidence) / 2, total**2 / weights) * math.sqrt(total)
    return Interval(estimate, estimate - half, estimate + half)

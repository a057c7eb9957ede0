"""Intervals of what seconds tell: shares, percentiles and means. Standard library and numpy.

Calls of one second share what the server went through in it, and seconds share with the next: an
interval that takes calls for independent misses the truth far more often than it says. So the unit
is the second, as a cluster of calls, and how seconds go together is taken from the run itself.
Nothing is drawn at random.

Of 400 simulated runs of 60 s with 40 calls a second, 95 of 100 intervals of p50 held the truth, 96
of p95 and 92 of p99; where each second carried half of the last one on 94, 90 and 89, and where it
carried 0.8 on 92, 88 and 81. A bootstrap over seconds held that of p50 in 97, 77 and 50.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

from perf.engine.results import Interval
from perf.engine.student import student_quantile

if TYPE_CHECKING:
    from perf.load.bins import Floats, Integers

LEAST_SECONDS: Final = 10  # of fewer, how seconds differ is mostly chance
_LEAST_DF: Final = 4.0  # of fewer an interval says nothing, and holds the truth no more often
_MOST_CORRELATED: Final = 0.9  # beyond, a run has too few seconds to tell it from a trend


def mean_interval(by_second: Floats, confidence: float = 0.95) -> Interval | None:
    """The mean of a value of each second; None of fewer than `LEAST_SECONDS`."""
    if len(by_second) < LEAST_SECONDS:
        return None
    mean = float(np.mean(by_second))
    variance, df = _variance_of_sum(by_second - mean)
    half = student_quantile((1 + confidence) / 2, df) * math.sqrt(variance) / len(by_second)
    return Interval(mean, mean - half, mean + half)


def share_interval(
    hits: Integers, calls: Integers, confidence: float = 0.95, *, share: float | None = None
) -> Interval | None:
    """The share of `calls` that are `hits`, of each second both; None of fewer than
    `LEAST_SECONDS`, or without a call.

    Wilson's interval (JASA 22, 1927) of as many independent calls as would tell as much: the
    sample over its design effect, which is never taken to be below 1 (Kish, Survey Sampling, 1965).
    So none of 1,000 is not sure to be 0. `share` puts another centre to it than the one found.
    """
    total = int(calls.sum())
    if len(calls) < LEAST_SECONDS or total == 0:
        return None
    found = float(hits.sum()) / total
    alone = total * found * (1 - found)  # the variance of as many calls that are independent
    variance, df = _variance_of_sum(hits - found * calls, alone)
    effect = max(1.0, variance / alone) if alone else 1.0
    centre = found if share is None else share
    return _wilson(centre, total / effect, student_quantile((1 + confidence) / 2, df))


def _wilson(share: float, n: float, t: float) -> Interval:
    middle = (share + t * t / (2 * n)) / (1 + t * t / n)
    half = t / (1 + t * t / n) * math.sqrt(share * (1 - share) / n + t * t / (4 * n * n))
    # At the ends a bound is the share itself, but for rounding.
    low = middle - half if share > 0 else 0.0
    high = middle + half if share < 1 else 1.0
    return Interval(share, low, high)


def inflation(deviations: Floats, alone: float = 0.0) -> float:
    """By how much the variance of a sum is larger than of independent seconds, 1 or more.

    What seconds deviate by has two parts: the chance of the calls in each, whose squares add up to
    `alone`, and what a second is like. Of the second part each is taken to carry a share r of the
    last one on: that makes its variance (1 + r) / (1 - r) times as large (Bayley & Hammersley, "The
    effective number of independent observations", Supplement to JRSS 8, 1946). The r that is found
    is too small by (1 + 3r) / n on average (Marriott & Pope, Biometrika 41, 1954).
    """
    squares = float(deviations @ deviations)
    between = squares - alone
    if between <= 0:
        return 1.0
    found = float(deviations[:-1] @ deviations[1:]) / between
    r = min(found + (1 + 3 * found) / len(deviations), _MOST_CORRELATED)
    return max(1.0, (alone + between * (1 + r) / (1 - r)) / squares)


def _variance_of_sum(deviations: Floats, alone: float = 0.0) -> tuple[float, float]:
    """The variance of the sum of what seconds deviate by from their mean, and how many degrees of
    freedom it has: as many fewer as they are correlated."""
    n, inflated = len(deviations), inflation(deviations, alone)
    variance = float(deviations @ deviations) * n / (n - 1) * inflated
    return variance, max(_LEAST_DF, n / inflated - 1)

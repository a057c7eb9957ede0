"""Student's t: its quantiles, and the interval of a mean. Standard library only."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from perf.engine.results import Interval

_TINY: Final = 1e-300
_STEPS: Final = 100_000  # the fraction takes about the root of the degrees of freedom


@lru_cache(maxsize=1_000)
def student_quantile(p: float, df: float) -> float:
    """The value that Student's t with `df` > 0 degrees of freedom does not exceed with chance `p`.

    0 < p < 1. P(|T| > t) = I_x(df/2, 1/2) with x = df / (df + t²), I the regularised incomplete
    beta function (Abramowitz & Stegun 26.7.1 and 26.5.27), solved for t by bisection.
    """
    if not 0 < p < 1 or not df > 0:
        raise ValueError(f"p = {p} must be between 0 and 1, df = {df} above 0.")
    if p < 0.5:
        return -student_quantile(1 - p, df)
    outside = 2 * (1 - p)
    low, high = 0.0, 1.0
    while _outside(high, df) > outside:
        low, high = high, 2 * high
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if _outside(middle, df) > outside else (low, middle)
    return low


def student_interval(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """The mean of `values` with its interval by Student's t, in the unit of the values.

    It holds for means of values that are independent and not far from normal. Equal values give a
    point. Raises ValueError with fewer than two values: one tells nothing of its error.
    """
    if len(values) < 2:
        raise ValueError("An interval of a mean takes two values or more.")
    mean = statistics.fmean(values)
    if min(values) == max(values):
        return Interval(values[0], values[0], values[0])
    error = statistics.stdev(values) / math.sqrt(len(values))
    half = student_quantile((1 + confidence) / 2, len(values) - 1) * error
    return Interval(mean, mean - half, mean + half)


def _outside(t: float, df: float) -> float:
    """P(|T| > t) for t >= 0."""
    square = t * t
    x, y = df / (df + square), square / (df + square)  # y = 1 - x, without its cancellation
    a, b = df / 2, 0.5
    # The fraction is quick only on this side of the mean; on the other I_x(a, b) = 1 - I_y(b, a).
    if x < (a + 1) / (a + b + 2):
        return _incomplete_beta(a, b, x, y)
    return 1 - _incomplete_beta(b, a, y, x)


def _incomplete_beta(a: float, b: float, x: float, y: float) -> float:
    """I_x(a, b), with y = 1 - x: DLMF 8.17.22, its continued fraction by Lentz's method as in Press
    et al., Numerical Recipes, section 6.4."""
    if x <= 0:
        return 0.0
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(logarithm + a * math.log(x) + b * math.log(y)) / a
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            c, d = _not_zero(1 + step / c), 1 / _not_zero(1 + step * d)
            value *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    return front * value


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY

"""The bootstrap, beside Student's t: a check by other means, which assumes no normal values."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from perf.engine.results import Interval

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES: Final = 10_000
_NORMAL: Final = statistics.NormalDist()


def bca_interval(
    values: Sequence[float], confidence: float = 0.95, *, resamples: int = RESAMPLES, seed: int
) -> Interval:
    """The mean of `values` with its BCa bootstrap interval, in their unit; the same for a `seed`.

    Bias-corrected and accelerated: Efron, "Better bootstrap confidence intervals", Journal of the
    American Statistical Association 82 (1987), equations 2.3 and 6.6. With n < 30 values it is too
    narrow, by 18 % at n = 10: it may contradict another interval, and is none to publish. Raises
    ValueError with fewer than two values.
    """
    if len(values) < 2:
        raise ValueError("A bootstrap takes two values or more.")
    mean = statistics.fmean(values)
    if min(values) == max(values):
        return Interval(values[0], values[0], values[0])
    means = _resampled_means(values, resamples, seed)
    bias = _NORMAL.inv_cdf(_share_below(means, mean))
    tail = _NORMAL.inv_cdf((1 - confidence) / 2)
    shares = [_shifted(z, bias, _acceleration(values, mean)) for z in (tail, -tail)]
    low, high = _quantiles(means, shares)
    return Interval(mean, low, high)


def _resampled_means(values: Sequence[float], resamples: int, seed: int) -> NDArray[np.float64]:
    import numpy as np  # 20 times as fast here; the service, which does without, never comes here

    picks = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    means: NDArray[np.float64] = np.asarray(values, dtype=np.float64)[picks].mean(axis=1)
    return means


def _share_below(means: NDArray[np.float64], mean: float) -> float:
    below = (float((means < mean).mean()) + float((means <= mean).mean())) / 2
    least = 0.5 / len(means)  # of 0 and 1 there is no quantile
    return min(max(below, least), 1 - least)


def _acceleration(values: Sequence[float], mean: float) -> float:
    """A sixth of the skewness of the influence of each value, which for a mean is its deviation."""
    deviations = [value - mean for value in values]
    cubes = math.fsum(each**3 for each in deviations)
    return cubes / (6 * math.pow(math.fsum(each**2 for each in deviations), 1.5))


def _shifted(z: float, bias: float, acceleration: float) -> float:
    return _NORMAL.cdf(bias + (bias + z) / (1 - acceleration * (bias + z)))


def _quantiles(means: NDArray[np.float64], shares: Sequence[float]) -> tuple[float, float]:
    import numpy as np

    low, high = np.quantile(means, shares)
    return float(low), float(high)

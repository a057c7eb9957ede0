"""What an interval of a ratio lets one say. Standard library only.

Ratios are naive to efficient: above 1 the efficient way is faster.
"""

from __future__ import annotations

import math
import statistics
from typing import Final

from perf.engine.results import Interval, Verdict
from perf.engine.student import student_quantile

_NORMAL: Final = statistics.NormalDist()


def verdict(
    ratio: Interval | None, *, noise_floor: float, margin: float, agrees: bool = True
) -> tuple[Verdict, str]:
    """The verdict, and its reason as a sentence without a full stop.

    `noise_floor` is a ratio of 1 or more that this run finds between equal ways, `margin` the share
    that is of no consequence (0.1 is 10 %), `agrees` whether a bootstrap confirms the interval.

    A win that is whole inside of the margin is still a win, and said to be of no consequence: that
    the ways differ is known then, and to call them equivalent would hide it. Equal ways win falsely
    no more often for it, as the interval must leave the noise floor behind as a whole.
    """
    if noise_floor < 1 or margin <= 0:
        raise ValueError(
            f"noise_floor = {noise_floor} must be 1 or more, margin = {margin} above 0."
        )
    if ratio is None:
        return Verdict.INCONCLUSIVE, "too few rounds for an interval"
    if ratio.low > noise_floor:
        return Verdict.EFFICIENT, _win("the efficient way", ratio.low, ratio.high, margin, agrees)
    if ratio.high < 1 / noise_floor:
        return Verdict.NAIVE, _win("the naive way", 1 / ratio.high, 1 / ratio.low, margin, agrees)
    if 1 / (1 + margin) < ratio.low and ratio.high < 1 + margin:
        return Verdict.EQUIVALENT, f"the whole interval is within the margin of {margin:.0%}"
    return _undecided(ratio, noise_floor, margin, agrees)


def noise_floor(same: Interval) -> float:
    """The ratio, 1 or more, below which nothing is believed.

    `same` is the ratio of a call to itself, which is known to be 1. The floor is the end of its
    interval that is farther from 1 on a logarithmic scale, so that a bias between equal ways, which
    the harness may have, is covered as well as the noise.
    """
    return max(same.high, 1 / same.low, 1.0)


def resolves(
    same: Interval, executions: int, *, confidence: float = 0.95, power: float = 0.8
) -> float:
    """The smallest true ratio that `verdict` finds in `power` of all runs as noisy as `same` was.

    On logarithms a win needs L - t·s > f: L the estimate, s its error as that run finds it, f the
    noise floor. Were s known, a true δ = f + (t + z)·s would do, z the normal quantile of `power`:
    Bloom, "Minimum detectable effects", Evaluation Review 19 (1995), with f added. But two runs
    each find their own s, off by a share of 1 / √(2·df), df = `executions` - 1. So δ = f + c·s with
    c - t = z·√(1 + (c² + t²) / (2·df)), solved for c. In simulations of 5 to 20 executions such a
    ratio was found in 75 to 80 % of runs; by c = t + t(0.8) in 68 to 77 %.

    With one execution df has no end, as its rounds are not known here: found in 73 to 75 %.
    """
    z = _NORMAL.inv_cdf(power)
    t, doubt = _NORMAL.inv_cdf((1 + confidence) / 2), 0.0
    if executions > 1:
        t = student_quantile((1 + confidence) / 2, executions - 1)
        doubt = z * z / (2 * (executions - 1))
    rest = 1 - doubt
    c = (t + math.sqrt(t * t - rest * (t * t * rest - z * z))) / rest
    half = math.log(same.high / same.low) / 2
    return noise_floor(same) * math.exp(half * c / t)


def _win(winner: str, least: float, most: float, margin: float, agrees: bool) -> str:
    # The bound nearest to 1 is what is known; the estimate would be too large half of the time.
    text = f"{winner} is at least {least:.3g} times as fast"
    if most < 1 + margin:
        text += f", and at most {most:.3g}: less than the margin of {margin:.0%}"
    return text if agrees else f"{text}; a bootstrap gives other bounds"


def _undecided(
    ratio: Interval, noise_floor: float, margin: float, agrees: bool
) -> tuple[Verdict, str]:
    bounds = f"{ratio.low:.3g} to {ratio.high:.3g}"
    if not agrees:
        return Verdict.INCONCLUSIVE, f"a bootstrap gives other bounds than {bounds}"
    if math.log(ratio.high / ratio.low) / 2 > math.log(1 + margin):
        return Verdict.TOO_NOISY, f"{bounds} is wider than the margin of {margin:.0%} to each side"
    if ratio.low > 1 or ratio.high < 1:
        return (
            Verdict.INCONCLUSIVE,
            f"{bounds} reaches into this run's noise, up to {noise_floor:.3g}",
        )
    return Verdict.INCONCLUSIVE, f"{bounds} has room for a difference and for none"

"""Whether the seconds of a run are of one distribution: if they drift, its figures are of no state
that the service stays in, and a run twice as long would find others.

Each function says what is wrong in a sentence, or nothing.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from perf.engine.results import Interval
from perf.load.results import Failure, LoadMethod, Model, Second, StepResult

LEAST_SECONDS: Final = 20  # of a part with one rate: of fewer a slope is mostly chance
DRIFT: Final = 0.25  # of the median, from the first quarter of a part to the last
DRIFT_MS: Final = 1.0  # the least drift that is told: asyncio keeps time no better
QUEUED: Final = 0.02  # of the arrivals: so many more are in flight at the end than at the begin
LEAST_QUEUED: Final = 10
LOST: Final = 0.01  # of the arrivals never sent, or given up at the timeout
LITTLE: Final = 0.05
_MOST_POINTS: Final = 300  # of which all pairs are taken
_NORMAL: Final = statistics.NormalDist()


@dataclass(frozen=True, slots=True)
class Part:
    """The seconds in which the schedule asked for one rate, or for one number of users."""

    level: float
    seconds: Sequence[Second]


def overload(method: LoadMethod, seconds: Sequence[Second], total: StepResult) -> str:
    """That more arrived than was answered: then latency depends on how long the run was, and on
    where the loader gave up. Of a closed model never, whose users wait."""
    if method.model is Model.CLOSED:
        return ""
    lost = sum(total.failures.get(kind, 0) for kind in (Failure.DROPPED, Failure.TIMEOUT))
    if lost > LOST * total.requests:
        share = lost / total.requests
        return f"Overload: {share:.0%} of the requests were never sent, or timed out."
    for part in parts(method, seconds):
        found = theil_sen([each.in_flight for each in part.seconds], method.confidence)
        rise = found.estimate * (len(part.seconds) - 1)
        arrivals = sum(each.due for each in part.seconds)
        if found.low > 0 and rise > max(LEAST_QUEUED, QUEUED * arrivals):
            return (
                f"Overload: at {part.level:g}/s {rise:,.0f} more requests were in flight at the "
                "end than at the begin."
            )
    return ""


def drift(method: LoadMethod, seconds: Sequence[Second]) -> str:
    """That the median of a second rises or falls by a quarter or more while the load is the same.

    Seconds that carry much of the last one on can look so by chance: in simulated runs of 60 s with
    medians that differ by 15 %, none of 200 was told so where nothing was carried on, and 7 where
    0.6 was; a rise by a half was told in 7 of 10.
    """
    for part in parts(method, seconds):
        p50s = [each.p50_ms for each in part.seconds if each.p50_ms is not None]
        if len(p50s) < LEAST_SECONDS:
            continue
        found = theil_sen(p50s, method.confidence)
        quarter = len(p50s) // 4
        change = statistics.median(p50s[-quarter:]) - statistics.median(p50s[:quarter])
        is_sure = found.low > 0 or found.high < 0
        if is_sure and abs(change) > max(DRIFT_MS, DRIFT * statistics.median(p50s)):
            told = "rose" if change > 0 else "fell"
            why = "a longer run may find more" if change > 0 else "the warm-up may be too short"
            return f"Not steady: p50 {told} by {abs(change):.3g} ms under the same load: {why}."
    return ""


def little(seconds: Sequence[Second], total: StepResult) -> str:
    """That the mean number in flight is not the rate times the mean time there, by more than 5 %.

    J. D. C. Little, "A proof for the queuing formula L = λW", Operations Research 9 (1961): it
    holds for any system, so where it doesn't, something was not counted. What the number in flight
    is off by, as it is looked at once a second only, and what the ends of the run add, is allowed.
    """
    here = [each.in_flight for each in seconds]
    if len(here) < LEAST_SECONDS or total.service.mean_ms is None:
        return ""
    seen = statistics.fmean(here)
    mean_s = total.service.mean_ms / 1000
    expected = total.service.count / len(here) * mean_s
    chance = 3 * statistics.stdev(here) / math.sqrt(len(here))
    if seen < 1 or abs(seen - expected) <= LITTLE * seen + chance + mean_s / len(here) * seen:
        return ""
    return (
        f"Little's law does not hold: {seen:.3g} requests were in flight, but rate times service "
        f"time is {expected:.3g}."
    )


def parts(method: LoadMethod, seconds: Sequence[Second]) -> Iterator[Part]:
    """The measured parts with one level, of 20 seconds or more."""
    at = 0.0
    for stage in method.stages:
        begins, at = at, at + stage.duration_s
        here = [each for each in seconds if begins <= each.at <= at - 1]
        if stage.begins == stage.ends and len(here) >= LEAST_SECONDS:
            yield Part(stage.begins, here)


def theil_sen(values: Sequence[float], confidence: float = 0.95) -> Interval:
    """What each value adds to the last: the median of the slopes of all pairs, with its interval.

    P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", JASA 63 (1968). A
    frozen second or two do not move it. Of more than 300 values, medians of groups are taken.
    """
    size = math.ceil(len(values) / _MOST_POINTS)
    points = np.array([np.median(values[at : at + size]) for at in range(0, len(values), size)])
    n = len(points)
    one, other = np.triu_indices(n, 1)
    slopes = np.sort((points[other] - points[one]) / (other - one)) / size
    cut = _NORMAL.inv_cdf((1 + confidence) / 2) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    low = max(0, round((len(slopes) - cut) / 2) - 1)
    high = min(len(slopes) - 1, round((len(slopes) + cut) / 2))
    return Interval(float(np.median(slopes)), float(slopes[low]), float(slopes[high]))

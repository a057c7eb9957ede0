"""When a load test begins what: drawn from its seed before it starts, and the same whoever asks.

Times are seconds from the measured begin, so that those of the warm-up are negative. The warm-up
goes in front of the stages, at the level at which they begin, or which they reach first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from perf.load.results import Arrivals, LoadMethod, Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    type Floats = NDArray[np.float64]

_TIMES: Final = 0  # sets the draws of when apart from those of what
_DIGITS: Final = 9  # of a second: an arrival that is due at 0 must not be due just before it


def measured_s(method: LoadMethod) -> float:
    """How long the stages take: the warm-up is not among them."""
    return sum(each.duration_s for each in method.stages)


def expected(method: LoadMethod) -> float:
    """How many sessions of an open model are due in the mean, with those of the warm-up."""
    return sum(_area(each) for each in _with_warm_up(method))


def arrivals_s(method: LoadMethod) -> Floats:
    """When each session of an open model is due, in ascending order.

    Arrivals of a rate of 1 are stretched by the inverse of what the stages add up to: so a Poisson
    process keeps being one while its rate changes (Çinlar, Introduction to Stochastic Processes,
    1975, theorem 4.7.1).
    """
    stages = _with_warm_up(method)
    if method.arrivals is Arrivals.CONSTANT:
        unit = np.arange(np.ceil(round(expected(method), _DIGITS)), dtype=np.float64)
    else:
        unit = _poisson(expected(method), np.random.default_rng([method.seed, _TIMES]))
    return np.round(_reached_s(stages, unit) - method.warmup_s, _DIGITS)


def spans_s(method: LoadMethod, user: int) -> list[tuple[float, float]]:
    """From when to when a user of a closed model is there. User 0 is there whenever anybody is."""
    spans: list[tuple[float, float]] = []
    begins = -method.warmup_s
    for each in _with_warm_up(method):
        if found := _above(each, user):
            start, end = begins + found[0], begins + found[1]
            if spans and spans[-1][1] == start:
                start = spans.pop()[0]
            spans.append((start, end))
        begins += each.duration_s
    return spans


def most_users(method: LoadMethod) -> int:
    """How many there are at most at the same time."""
    return int(np.ceil(max(max(each.begins, each.ends) for each in method.stages)))


def _with_warm_up(method: LoadMethod) -> list[Stage]:
    stages = list(method.stages)
    if method.warmup_s:
        level = stages[0].begins or stages[0].ends
        stages.insert(0, Stage(method.warmup_s, level, level))
    return stages


def _area(stage: Stage) -> float:
    return stage.duration_s * (stage.begins + stage.ends) / 2


def _poisson(expected: float, rng: np.random.Generator) -> Floats:
    """The points of a Poisson process of rate 1 up to so many."""
    drawn = np.empty(0)
    last = 0.0
    while last < expected:
        more = int(expected - last + 4 * np.sqrt(expected) + 16)
        drawn = np.concatenate([drawn, last + np.cumsum(rng.exponential(size=more))])
        last = float(drawn[-1])
    return drawn[drawn < expected]


def _reached_s(stages: list[Stage], unit: Floats) -> Floats:
    """When the stages add up to each value: the root of slope·t²/2 + rate·t = area, in the form
    that loses no digits where the slope is small."""
    durations = np.array([each.duration_s for each in stages])
    areas = np.array([_area(each) for each in stages])
    begins_s, begins = (np.concatenate([[0.0], np.cumsum(each)]) for each in (durations, areas))
    at = np.clip(np.searchsorted(begins, unit, side="right") - 1, 0, len(stages) - 1)
    rate = np.array([each.begins for each in stages])[at]
    slope = np.array([(each.ends - each.begins) / each.duration_s for each in stages])[at]
    area = unit - begins[at]
    root = rate + np.sqrt(np.maximum(rate**2 + 2 * slope * area, 0))
    within = np.divide(2 * area, root, out=np.zeros_like(area), where=root > 0)
    return np.asarray(begins_s[at] + within)


def _above(stage: Stage, level: float) -> tuple[float, float] | None:
    """From when to when in a stage it is above the level."""
    if max(stage.begins, stage.ends) <= level:
        return None
    if min(stage.begins, stage.ends) > level or stage.begins == stage.ends:
        return 0.0, stage.duration_s
    crosses = stage.duration_s * (level - stage.begins) / (stage.ends - stage.begins)
    return (crosses, stage.duration_s) if stage.ends > stage.begins else (0.0, crosses)

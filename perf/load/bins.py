"""Histograms of seconds as one array: how often each value that occurs at all came in each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from hdrh.histogram import HdrHistogram

from perf.load.recording import histogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

    type Integers = NDArray[np.int64]
    type Floats = NDArray[np.float64]

_ROUNDING: Final = 1e-9  # 0.95 · 20 must be rank 19, though floating point may make it more


@dataclass(frozen=True, slots=True)
class Bins:
    """`counts` has a row for each second and a column for each bin, in ascending order.

    A bin of an HdrHistogram holds the values from `lows_us` to `highs_us`, at most 0.1 % apart.
    """

    lows_us: Integers
    highs_us: Integers
    counts: Integers

    @property
    def pooled(self) -> Integers:
        """How often each value came in all seconds together."""
        return np.asarray(self.counts.sum(axis=0))

    @property
    def total(self) -> int:
        return int(self.counts.sum())

    @property
    def mean_us(self) -> float:
        """Of the middles of the bins; 0 without a value."""
        middles = (self.lows_us + self.highs_us) / 2
        return float(self.pooled @ middles) / max(1, self.total)


def bins_of(seconds: Sequence[Iterable[HdrHistogram]]) -> Bins:
    """Of several histograms in each second, such as those of all steps, which are added up."""
    found = [(at, *_used(each)) for at, second in enumerate(seconds) for each in second]
    places = np.unique(np.concatenate([np.empty(0, np.int64), *(used for _, used, _ in found)]))
    counts = np.zeros((len(seconds), len(places)), np.int64)
    for at, used, times in found:
        counts[at, np.searchsorted(places, used)] += times
    return Bins(*_bounds_us(places), counts)


def merged(histograms: Iterable[HdrHistogram]) -> HdrHistogram:
    """One histogram of all, exactly."""
    whole = histogram()
    for each in histograms:
        if each.total_count:  # an empty one says that it holds the largest of integers
            whole.add(each)
    return whole


def rank(q: float, count: int) -> int:
    """Which of `count` values in ascending order, from 1 on, is the q-quantile: the nearest rank,
    definition 1 of Hyndman & Fan (1996), as `perf.engine.samples.percentile` has it."""
    return max(1, math.ceil(q * count - _ROUNDING))


def _used(found: HdrHistogram) -> tuple[Integers, Integers]:
    """The places of the bins of a histogram that hold anything, and what they hold."""
    counts = np.asarray(found.counts, np.int64)
    places = np.flatnonzero(counts)
    return places, counts[places]


def _bounds_us(places: Integers) -> tuple[Integers, Integers]:
    """The bins are 1 wide up to twice the half count, and twice as wide each half count on."""
    magnitude = histogram().sub_bucket_half_count_magnitude
    half = 1 << magnitude
    bucket = np.maximum((places >> magnitude) - 1, 0)
    within = np.where(places < half, places, (places & (half - 1)) + half)
    lows = within << bucket
    return lows, lows + (1 << bucket) - 1

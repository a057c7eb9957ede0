"""The values of several seconds in one order, each with the second that it is of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from perf.load.recording import Histogram, bounds_us

if TYPE_CHECKING:
    from numpy.typing import NDArray

    type Integers = NDArray[np.int64]
    type Floats = NDArray[np.float64]

_ROUNDING: Final = 1e-9  # 0.95 · 20 must be rank 19, though floating point may make it more


@dataclass(frozen=True, slots=True)
class Bins:
    """What is in the bins of `length` seconds, in ascending order of the place of a bin.

    The three arrays belong together: `times` values of second `seconds` are in the bin at `places`.
    """

    length: int
    places: Integers
    seconds: Integers
    times: Integers

    @property
    def by_second(self) -> Integers:
        """How many values each second has."""
        return self._counted(len(self.places))

    def up_to(self, place: int) -> Integers:
        """How many values of each second are in a bin, or below it."""
        return self._counted(int(np.searchsorted(self.places, place, side="right")))

    def place(self, q: float) -> int:
        """The bin of the q-quantile: the nearest rank, definition 1 of Hyndman & Fan (1996), as
        `perf.engine.samples.percentile` has it. Raises IndexError without a value."""
        reached = np.cumsum(self.times)
        rank = max(1, math.ceil(q * reached[-1] - _ROUNDING))
        return int(self.places[np.searchsorted(reached, rank)])

    def _counted(self, end: int) -> Integers:
        found = np.bincount(self.seconds[:end], self.times[:end], self.length)
        return np.rint(found).astype(np.int64)


def bins_of(seconds: Sequence[Sequence[Histogram]]) -> Bins:
    """Of several histograms in each second, such as those of all steps, which count together."""
    places: list[int] = []
    times: list[int] = []
    held = []
    for second in seconds:
        for each in second:
            places.extend(each.used)
            times.extend(each.used.values())
        held.append(sum(len(each.used) for each in second))
    of = np.repeat(np.arange(len(seconds)), np.array(held, np.int64))
    order = np.argsort(np.array(places, np.int64), kind="stable")
    columns = (np.array(each, np.int64)[order] for each in (places, of, times))
    return Bins(len(seconds), *columns)


def merged(histograms: Iterable[Histogram]) -> Histogram:
    """One histogram of all, exactly."""
    whole = Histogram()
    for each in histograms:
        whole.add(each)
    return whole


def highest_us(place: int) -> int:
    """The largest value of a bin, which is what stands for all of them."""
    return bounds_us(place)[1]

"""What workers record: histograms for each step and second, which merge exactly."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Self

import numpy as np
from hdrh.histogram import HdrHistogram

if TYPE_CHECKING:
    from numpy.typing import NDArray

LOWEST_US: Final = 1
HIGHEST_US: Final = 3_600_000_000  # an hour
DIGITS: Final = 3
LONGEST_REASON: Final = 200  # characters
_MOST_REASONS: Final = 50
_HALF_BITS: Final = 10  # bins are 1 µs wide up to 2048, twice as wide from there to 4096, and so on
_HALF: Final = 1 << _HALF_BITS
_PLACES: Final = 23_552


class Histogram:
    """An HdrHistogram from 1 µs to an hour with three digits, and only the bins that hold anything.

    The bins, and the names of what it can do, are those of the library, which keeps all 23,552 of
    them: 185 KB for each step, second and tenant, so that an hour would not fit into memory.
    """

    __slots__ = ("total_count", "used")

    def __init__(self) -> None:
        self.used: dict[int, int] = {}  # counts by place
        self.total_count = 0

    def record_value(self, value_us: int, count: int = 1) -> None:
        """Add a value; one beyond an hour is an hour."""
        if value_us > HIGHEST_US:
            value_us = HIGHEST_US  # not `min`: this is done four times for each call
        shift = value_us.bit_length() - _HALF_BITS - 1
        place = (shift << _HALF_BITS) + (value_us >> shift) if shift > 0 else value_us
        self.used[place] = self.used.get(place, 0) + count
        self.total_count += count

    @classmethod
    def of(cls, used: dict[int, int]) -> Self:
        """One of counts by place."""
        found = cls()
        found.used = used
        found.total_count = sum(used.values())
        return found

    def add(self, other: Histogram) -> None:
        used = self.used
        for place, count in other.used.items():
            used[place] = used.get(place, 0) + count
        self.total_count += other.total_count

    def get_total_count(self) -> int:
        return self.total_count

    def get_min_value(self) -> int:
        """The lower bound of the lowest bin in µs; 0 without a value."""
        return bounds_us(min(self.used))[0] if self.used else 0

    def get_max_value(self) -> int:
        """The upper bound of the highest bin in µs; 0 without a value."""
        return bounds_us(max(self.used))[1] if self.used else 0

    def get_mean_value(self) -> float:
        """In µs, of the middles of the bins; 0 without a value."""
        total = sum(count * sum(bounds_us(place)) / 2 for place, count in self.used.items())
        return total / self.total_count if self.total_count else 0.0

    def get_value_at_percentile(self, percentile: float) -> int:
        """The upper bound in µs of the bin in which it lies; 0 without a value."""
        wanted = max(1, int(percentile * self.total_count / 100 + 0.5))
        for place in sorted(self.used):
            wanted -= self.used[place]
            if wanted <= 0:
                return bounds_us(place)[1]
        return 0

    @property
    def counts(self) -> NDArray[np.int64]:
        """Of all places, most of them 0."""
        dense = np.zeros(_PLACES, np.int64)
        dense[list(self.used)] = list(self.used.values())
        return dense

    def encode(self) -> bytes:
        """As the library writes it: V2, compressed, in base64."""
        whole = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)
        for place in sorted(self.used):
            whole.record_value(bounds_us(place)[0], self.used[place])
        encoded: bytes = whole.encode()
        return encoded

    @staticmethod
    def decode(encoded: str | bytes) -> Histogram:
        """What `encode` wrote."""
        found = Histogram()
        whole = HdrHistogram.decode(encoded)
        for each in whole.get_recorded_iterator():
            found.record_value(each.value_iterated_to, each.count_added_in_this_iter_step)
        return found


def bounds_us(place: int) -> tuple[int, int]:
    """The lowest and the highest µs of a bin."""
    if place < 2 * _HALF:
        return place, place
    shift = (place >> _HALF_BITS) - 1
    low = ((place & (_HALF - 1)) + _HALF) << shift
    return low, low + (1 << shift) - 1


def histogram() -> Histogram:
    """An empty one."""
    return Histogram()


@dataclass(slots=True)
class Cell:
    """The calls of one step that were due in one second."""

    latency: Histogram = field(default_factory=histogram)
    service: Histogram = field(default_factory=histogram)
    lag: Histogram = field(default_factory=histogram)
    due: int = 0
    failures: Counter[str] = field(default_factory=Counter)  # by `Failure`


@dataclass(slots=True)
class TenantCell:
    """The calls of one tenant that were due in one second."""

    latency: Histogram = field(default_factory=histogram)
    due: int = 0
    failures: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Recording:
    """All of a worker, or of several. Seconds count from the measured begin; the warm-up's are
    negative. What is known of a call stands in the second in which it was due."""

    steps: dict[str, dict[int, Cell]] = field(default_factory=dict)
    tenants: dict[str, dict[int, TenantCell]] = field(default_factory=dict)
    in_flight: Counter[int] = field(default_factory=Counter)  # at the end of each second
    done: Counter[int] = field(default_factory=Counter)  # answers in each second
    timing_ms: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    timed: int = 0  # answers that had a Server-Timing
    workers: set[int] = field(default_factory=set)  # whose stripes are in it
    cpu_share: dict[int, float] = field(default_factory=dict)  # of each worker
    ticks: Histogram = field(default_factory=histogram)  # how late the clocks of workers ticked
    reasons: Counter[str] = field(default_factory=Counter)  # of failures, with their step
    lost: dict[int, str] = field(default_factory=dict)  # how workers ended that are missing
    broken_off: str = ""  # why it ended before its time


def note_reason(reasons: Counter[str], text: str, count: int = 1) -> None:
    """Count why calls failed; what is new when there are many reasons already is left out."""
    if text in reasons or len(reasons) < _MOST_REASONS:
        reasons[text] += count

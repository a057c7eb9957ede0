"""What workers record: histograms for each step and second, which merge exactly."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

from hdrh.histogram import HdrHistogram

LOWEST_US: Final = 1
HIGHEST_US: Final = 3_600_000_000  # an hour
DIGITS: Final = 3


def histogram() -> HdrHistogram:
    """An empty one: microseconds, from 1 to an hour, to three digits."""
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


@dataclass(slots=True)
class Cell:
    """The calls of one step that were due in one second."""

    latency: HdrHistogram = field(default_factory=histogram)
    service: HdrHistogram = field(default_factory=histogram)
    lag: HdrHistogram = field(default_factory=histogram)
    due: int = 0
    failures: Counter[str] = field(default_factory=Counter)  # by `Failure`


@dataclass(slots=True)
class TenantCell:
    """The calls of one tenant that were due in one second."""

    latency: HdrHistogram = field(default_factory=histogram)
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

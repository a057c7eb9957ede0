"""Axes: from values to places in a drawing, and where the ticks are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

# Powers of ten that are drawn; what lies beyond is left out of a drawing, and stands in the tables.
_LOWEST, _HIGHEST = -12.0, 24.0
_LEAST_SPAN: Final = math.log10(1.5)
_MANTISSAS: Final = ((1.0,), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0))
_AS_GOOD_AS_ONE: Final = 1e-6
_TICKS: Final = 3  # at least
_DECADES: Final = 6  # at most, that are labelled


@dataclass(frozen=True, slots=True)
class Scale:
    """`low` and `high` are values, or their powers of ten with `is_log`; `start` and `end` are the
    places of both. Values outside are drawn at the nearer end."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool

    def at(self, value: float) -> float:
        """The place of a value; with `is_log` of one above zero."""
        share = (self._inner(value) - self.low) / (self.high - self.low)
        return self.start + (self.end - self.start) * min(1.0, max(0.0, share))

    def holds(self, value: float) -> bool:
        """Whether a value lies between the ends."""
        if not math.isfinite(value) or (self.is_log and value <= 0):
            return False
        return self.low <= self._inner(value) <= self.high

    def ticks(self) -> tuple[float, ...]:
        """The values to label, evenly spread to the eye."""
        return _log_ticks(self.low, self.high) if self.is_log else _nice(self.low, self.high)

    def decades(self) -> tuple[float, ...]:
        """With `is_log` the lines of paper for logarithms between the ticks: 2 to 9 of each ten."""
        if not self.is_log or self.high - self.low > _DECADES:
            return ()
        found = (
            mantissa * 10.0**power
            for power in range(math.floor(self.low), math.ceil(self.high))
            for mantissa in range(2, 10)
        )
        return tuple(each for each in found if self.holds(each))

    def _inner(self, value: float) -> float:
        return math.log10(value) if self.is_log else value


def drawable(value: float | None) -> bool:
    """Whether a logarithm has a place for it."""
    if value is None or not math.isfinite(value) or value <= 0:
        return False
    return _LOWEST <= math.log10(value) <= _HIGHEST


def log_scale(values: Iterable[float], start: float, end: float, room: float = 0.06) -> Scale:
    """A scale that holds all values, each of them `drawable`, with some room at both ends.

    It spans a factor of 1.5 or more: noise shall not look like a mountain.
    """
    powers = [math.log10(each) for each in values]
    low, high = min(powers), max(powers)
    missing = max(0.0, _LEAST_SPAN - (high - low)) / 2
    low, high = low - missing, high + missing
    margin = (high - low) * room
    return Scale(low - margin, high + margin, start, end, is_log=True)


def linear_scale(low: float, high: float, start: float, end: float) -> Scale:
    """A scale from the lower to the higher, or around both where they are as good as one."""
    low, high = min(low, high), max(low, high)
    if high - low < _AS_GOOD_AS_ONE:
        low, high = low - 0.5, low + 0.5
    return Scale(low, high, start, end, is_log=False)


def _log_ticks(low: float, high: float) -> tuple[float, ...]:
    for mantissas in _MANTISSAS:
        found = _of_mantissas(mantissas, low, high)
        if len(found) >= _TICKS:
            # Every second decade, or third, where there are many.
            return found[:: math.ceil(len(found) / _DECADES)] if len(mantissas) == 1 else found
    return _nice(10.0**low, 10.0**high)


def _of_mantissas(mantissas: Sequence[float], low: float, high: float) -> tuple[float, ...]:
    powers = range(math.floor(low), math.ceil(high) + 1)
    found = (mantissa * 10.0**power for power in powers for mantissa in mantissas)
    return tuple(each for each in found if low <= math.log10(each) <= high)


def _nice(low: float, high: float) -> tuple[float, ...]:
    """Round values between both, three to eight: the step is the greatest round one with three."""
    most = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(most))
    step = max(each * power for each in (1, 2, 5) if each * power <= most * 1.001)
    first, last = math.ceil(low / step), math.floor(high / step)
    return tuple(each * step for each in range(first, last + 1))

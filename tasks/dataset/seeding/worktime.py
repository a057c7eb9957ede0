"""Times of the seeded history, counted in seconds of work.

Second 0 is 08:00 UTC on the first working day; nine hours make a day, and Saturdays and Sundays are
left out. So a time is a small integer while rows are made, and becomes text by two look-ups.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final

HOUR: Final = 3600
DAY: Final = 9 * HOUR
HISTORY_DAYS: Final = 520  # two years of working days
AHEAD_DAYS: Final = 90
_FIRST_HOUR: Final = 8
_SATURDAY: Final = 5


class WorkCalendar:
    """The working days before `until` and a few after it. `end` is the first second of that day."""

    def __init__(self, until: date) -> None:
        before = _working_days(until - timedelta(days=1), HISTORY_DAYS, step=-1)
        after = _working_days(until, AHEAD_DAYS, step=1)
        self._days = [f"{day.isoformat()} " for day in [*reversed(before), *after]]
        self._clock = [
            f"{_FIRST_HOUR + s // HOUR:02}:{s // 60 % 60:02}:{s % 60:02}+00" for s in range(DAY)
        ]
        self.end = HISTORY_DAYS * DAY

    def at(self, second: int) -> str:
        """A time as COPY takes it, such as `2026-06-29 16:59:59+00`. Texts sort as times do."""
        return self._days[second // DAY] + self._clock[second % DAY]

    def due(self, day: int) -> str:
        """16:00 on a working day, which counts from 0."""
        return f"{self._days[day]}16:00:00+00"

    def due_iso(self, day: int) -> str:
        """The same as events tell it: as `datetime.isoformat()` does."""
        return f"{self._days[day][:-1]}T16:00:00+00:00"


def _working_days(first: date, count: int, *, step: int) -> list[date]:
    days: list[date] = []
    while len(days) < count:
        if first.weekday() < _SATURDAY:
            days.append(first)
        first += timedelta(days=step)
    return days

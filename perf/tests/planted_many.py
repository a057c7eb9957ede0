"""A hundred ways beside themselves, and twenty beside themselves with a delay of twice the margin:
`--module perf.tests.planted_many`."""

from __future__ import annotations

import statistics
from typing import Any, Final

from perf import variant
from perf.engine.sampling import sample_ns, spin
from perf.management.planning import MARGIN
from perf.tests.planted import PlacePair, planted

SAME: Final = 100
DELAYED: Final = 20


class SamePair(PlacePair):
    """By the index or by a scan: both are equal to themselves."""

    @variant(efficient=True)
    def one(self, place: int) -> Any:
        """Reads the whole table."""
        return self.by_scan(place)

    @variant()
    def other(self, place: int) -> Any:
        """Reads the whole table too."""
        return self.by_scan(place)


class DelayedPair(PlacePair):
    """The naive way does nothing first, for twice the margin of what the other one takes."""

    delay_ratio = 2 * MARGIN

    def set_up(self) -> None:
        draws = [(place,) for place in range(51)]
        taken_ns = statistics.median(sample_ns(self.one, [draw], 1, None) for draw in draws)
        self._delay_ns = self.delay_ratio * taken_ns

    @variant(efficient=True)
    def one(self, place: int) -> Any:
        """Reads the whole table."""
        return self.by_scan(place)

    @variant()
    def delayed(self, place: int) -> Any:
        """Waits, and reads the whole table."""
        spin(self._delay_ns)
        return self.by_scan(place)


@planted("slow")
class SlowPair(DelayedPair):
    """The naive way takes eleven times as long: so much is found on a busy machine too."""

    delay_ratio = 10


for number in range(SAME):
    planted(f"same_{number}")(type(f"Same{number}", (SamePair,), {}))
for number in range(DELAYED):
    planted(f"delayed_{number}")(type(f"Delayed{number}", (DelayedPair,), {}))

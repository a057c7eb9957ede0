"""What a load test tells while it goes on."""

from __future__ import annotations

from typing import Final

from perf.load.recording import Histogram, Recording
from perf.load.results import Failure, Second

STOPPED: Final = "its watcher ended it"
_US_PER_MS: Final = 1000


class Watcher:
    """Is told how a run goes on; this one listens to nothing."""

    def measuring(self) -> None:
        """The warm-up is over: what counts begins now."""

    def second(self, second: Second, so_far: Recording) -> bool:
        """A second is over; its figures are of the calls that ended in it. True ends the run."""
        return False


def second_of(news: Recording, at: int, in_flight_before: int) -> Second:
    """The figures of what came in within a second."""
    latency, lag = Histogram(), Histogram()
    failed = 0
    for cells in news.steps.values():
        for cell in cells.values():
            latency.add(cell.latency)
            lag.add(cell.lag)
            failed += sum(n for kind, n in cell.failures.items() if kind != Failure.THROTTLED)
    in_flight = news.in_flight[at]
    known = latency.total_count > 0
    return Second(
        at=at,
        due=latency.total_count + in_flight - in_flight_before,
        done=sum(news.done.values()),
        failed=failed,
        in_flight=in_flight,
        p50_ms=latency.get_value_at_percentile(50) / _US_PER_MS if known else None,
        p95_ms=latency.get_value_at_percentile(95) / _US_PER_MS if known else None,
        max_ms=latency.get_max_value() / _US_PER_MS if known else None,
        lag_max_ms=lag.get_max_value() / _US_PER_MS if lag.total_count else None,
    )

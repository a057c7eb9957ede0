"""Whether the loader was up to the load: else its figures are its own, not the server's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from perf.load.figures import needed
from perf.load.recording import Histogram, Recording
from perf.load.results import Failure, Rig, StepResult

LAG_MS: Final = 10.0  # the p99 of lag: more is not asyncio's clock any more, which is good for 3 ms
LAG_SHARE: Final = 0.1  # of the p99 of latency: less than that does not change what is found
CPU: Final = 0.9  # of one processor: locust warns at as much
CEILING: Final = 0.5  # of what a worker can send: beyond that, its own queue shows
BEYOND: Final = (
    0.01  # of all requests: as many may be sent in seconds beyond it, as they spoil no p99
)
_LOOKED_AT: Final = (0.99, 0.95, 0.9, 0.5)


def rig_of(
    recording: Recording, total: StepResult, ceiling_rate: float | None, deepest: float = 0.99
) -> Rig:
    """What is known of the loader, and why it was not up to it, if so. `ceiling_rate` is in calls a
    second of one worker, `deepest` the highest percentile that has to be its server's."""
    lag = total.lag.at(0.99)
    cpu = max(recording.cpu_share.values(), default=None)
    looked_at = sorted({*_LOOKED_AT, max(deepest, 0.99)}, reverse=True)
    late = [*_late(total, looked_at)] or [*_still(recording.ticks, total, looked_at)]
    slow = [*_busy(cpu), *_near_its_ceiling(_sent(recording), ceiling_rate)]
    return Rig(
        ceiling_rate,
        cpu,
        lag.value_ms if lag else None,
        limited=(*late, *slow),
        only_late=bool(late) and not slow,
    )


def _late(total: StepResult, looked_at: Sequence[float]) -> Iterator[str]:
    """By the highest percentile that there are enough requests for."""
    for q in looked_at:
        lag, latency = total.lag.at(q), total.latency.at(q)
        if not lag or lag.value_ms is None or not latency or latency.value_ms is None:
            continue
        if lag.value_ms > max(LAG_MS, LAG_SHARE * latency.value_ms):
            yield f"One request in {_one_in(q)} was sent {lag.value_ms:.3g} ms late or more."
        return


def _still(ticks: Histogram, total: StepResult, looked_at: Sequence[float]) -> Iterator[str]:
    """By a clock in each worker, where no request tells: as of a closed model, in which nothing is
    due while the loader stands still."""
    for q in looked_at:
        if ticks.total_count < needed(q):
            continue
        late_ms = ticks.get_value_at_percentile(100 * q) / 1000
        latency = total.latency.at(q)
        if late_ms > max(LAG_MS, LAG_SHARE * ((latency and latency.value_ms) or 0.0)):
            yield (
                f"In one moment of {_one_in(q)} a worker was {late_ms:,.0f} ms late or more for "
                "anything: it was stopped, or had no processor."
            )
        return


def _one_in(q: float) -> str:
    return f"{1 / (1 - q):,.0f}"


def _busy(cpu: float | None) -> Iterator[str]:
    if cpu is not None and cpu > CPU:
        yield f"A worker of the loader took {cpu:.0%} of a processor: more --workers may do."


def _near_its_ceiling(sent: Counter[int], ceiling: float | None) -> Iterator[str]:
    """By the seconds in which most was sent: a mean would hide a spike."""
    if not ceiling:
        return
    beyond = [count for count in sent.values() if count > CEILING * ceiling]
    if sum(beyond) > BEYOND * sent.total():
        yield (
            f"A worker sent {max(beyond):,.0f} requests in a second, and can send {ceiling:,.0f} "
            "at most: more --workers may do."
        )


def _sent(recording: Recording) -> Counter[int]:
    """How much one worker sent in each second of the measured part, on average of all of them."""
    found: Counter[int] = Counter()
    for cells in recording.steps.values():
        for at, cell in cells.items():
            if at >= 0:
                found[at] += cell.due - cell.failures[Failure.DROPPED]
    workers = max(1, len(recording.workers))
    return Counter({at: round(count / workers) for at, count in found.items()})

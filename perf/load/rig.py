"""Whether the loader was up to the load: else its figures are its own, not the server's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from perf.load.recording import Recording
from perf.load.results import Failure, Rig, StepResult

LAG_MS: Final = 10.0  # the p99 of lag: more is not asyncio's clock any more, which is good for 3 ms
LAG_SHARE: Final = 0.1  # of the p99 of latency: less than that does not change what is found
CPU: Final = 0.9  # of one processor: locust warns at as much
CEILING: Final = 0.5  # of what a worker can send: beyond that, its own queue shows


def rig_of(
    recording: Recording, total: StepResult, measured_s: float, ceiling_rate: float | None
) -> Rig:
    """What is known of the loader, and why it was not up to it, if so. `ceiling_rate` is in calls a
    second of one worker."""
    lag, latency = total.lag.at(0.99), total.latency.at(0.99)
    lag_ms = lag.value_ms if lag else None
    latency_ms = latency.value_ms if latency else None
    cpu = max(recording.cpu_share.values(), default=None)
    sent = total.requests - total.failures.get(Failure.DROPPED, 0)
    rate = sent / measured_s / max(1, len(recording.workers)) if measured_s else 0.0
    limited = [
        *_late(lag_ms, latency_ms),
        *_busy(cpu),
        *_near_its_ceiling(rate, ceiling_rate),
    ]
    return Rig(ceiling_rate, cpu, lag_ms, tuple(limited))


def _late(lag_ms: float | None, latency_ms: float | None) -> Iterator[str]:
    if lag_ms is None or lag_ms <= LAG_MS:
        return
    if latency_ms is None or lag_ms > LAG_SHARE * latency_ms:
        yield f"One request in 100 was sent {lag_ms:.3g} ms late or more."


def _busy(cpu: float | None) -> Iterator[str]:
    if cpu is not None and cpu > CPU:
        yield f"A worker of the loader took {cpu:.0%} of a processor: more --workers may do."


def _near_its_ceiling(rate: float, ceiling: float | None) -> Iterator[str]:
    if ceiling and rate > CEILING * ceiling:
        yield (
            f"A worker sent {rate:,.0f} requests a second, and can send {ceiling:,.0f} at most: "
            "more --workers may do."
        )

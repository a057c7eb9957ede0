"""Recordings of services that never were, whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from perf.load.recording import Recording, histogram
from perf.load.results import Arrivals, Failure, LoadMethod, Model, Stage

if TYPE_CHECKING:
    from perf.load.bins import Floats


def method(
    seconds: float = 60,
    *,
    rate: float = 50,
    model: Model = Model.OPEN,
    warmup_s: float = 0,
    workers: int = 1,
    think_s: float = 0,
) -> LoadMethod:
    """One stage at one level."""
    return LoadMethod(
        model=model,
        stages=(Stage(seconds, rate, rate),),
        arrivals=Arrivals.POISSON,
        think_s=think_s,
        warmup_s=warmup_s,
        timeout_s=10,
        max_in_flight=500,
        workers=workers,
        seed=1,
    )


def add(
    recording: Recording,
    at: int,
    latencies_ms: Floats | list[float],
    *,
    step: str = "list",
    tenant: str = "",
    failures: dict[Failure, int] | None = None,
    lag_ms: float = 0.5,
) -> None:
    """Calls that were due in a second, and answered in it; failures are of these calls."""
    from perf.load.recording import Cell, TenantCell

    cell = recording.steps.setdefault(step, {}).setdefault(at, Cell())
    cells: list[Cell | TenantCell] = [cell]
    if tenant:
        cells.append(recording.tenants.setdefault(tenant, {}).setdefault(at, TenantCell()))
    for each in cells:
        each.due += len(latencies_ms)
        each.failures.update({str(kind): n for kind, n in (failures or {}).items()})
        for latency_ms in latencies_ms:
            each.latency.record_value(round(1000 * latency_ms))
    for latency_ms in latencies_ms:
        cell.lag.record_value(round(1000 * lag_ms))
        cell.service.record_value(round(1000 * max(0.0, latency_ms - lag_ms)))
    recording.done[at] += len(latencies_ms)
    recording.workers.add(0)


def served(
    seconds: int = 60,
    latencies_ms: Callable[[int], Floats | list[float]] = lambda at: [20.0] * 50,
    *,
    in_flight: Callable[[int], int] = lambda at: 1,
) -> Recording:
    """A recording of one step, with what each second had."""
    recording = Recording()
    for at in range(seconds):
        add(recording, at, latencies_ms(at))
        recording.in_flight[at] = in_flight(at)
    return recording


def levels(seconds: int, carried: float, spread: float, seed: int) -> Floats:
    """Logarithms by which seconds differ: each carries a share of the last one on."""
    rng = np.random.default_rng(seed)
    found = np.empty(seconds)
    found[0] = rng.normal(0, spread)
    for at in range(1, seconds):
        found[at] = carried * found[at - 1] + rng.normal(0, spread * np.sqrt(1 - carried**2))
    return found


__all__ = ["add", "histogram", "levels", "method", "served"]

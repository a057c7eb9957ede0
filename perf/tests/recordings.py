"""Recordings of services that never were, whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from perf.load.recording import Cell, Histogram, Recording, TenantCell
from perf.load.results import Arrivals, Failure, LoadMethod, Model, Stage

if TYPE_CHECKING:
    from perf.load.bins import Floats


def method(
    seconds: float = 60,
    *,
    rate: float = 50,
    model: Model = Model.OPEN,
    stages: tuple[Stage, ...] = (),
    workers: int = 1,
    think_s: float = 0.0,
) -> LoadMethod:
    """One stage at one level, unless others are given."""
    return LoadMethod(
        model=model,
        stages=stages or (Stage(seconds, rate, rate),),
        arrivals=Arrivals.POISSON,
        think_s=think_s,
        warmup_s=0.0,
        timeout_s=10.0,
        max_in_flight=500,
        workers=workers,
        seed=1,
    )


def histogram(values_ms: Iterable[float]) -> Histogram:
    """One of these values."""
    found = Histogram()
    for each in values_ms:
        found.record_value(round(1000 * each))
    return found


def add(
    recording: Recording,
    at: int,
    latencies_ms: Iterable[float],
    *,
    step: str = "list",
    tenant: str = "",
    failures: Mapping[Failure, int] | None = None,
    lag_ms: float = 0.5,
) -> None:
    """Calls that were due in a second, and answered in it. `failures` says how many of them came
    to what end."""
    values = list(latencies_ms)
    cell = recording.steps.setdefault(step, {}).setdefault(at, Cell())
    cells: list[Cell | TenantCell] = [cell]
    if tenant:
        cells.append(recording.tenants.setdefault(tenant, {}).setdefault(at, TenantCell()))
    for each in cells:
        each.due += len(values)
        each.failures.update(failures or {})
        each.latency.add(histogram(values))
    cell.lag.add(histogram([lag_ms] * len(values)))
    cell.service.add(histogram(max(0.0, value - lag_ms) for value in values))
    recording.done[at] += len(values)
    recording.workers.add(0)


def served(
    seconds: int = 60,
    latencies_ms: Callable[[int], Iterable[float]] = lambda at: [20.0] * 50,
    *,
    in_flight: Callable[[int], int] = lambda at: 0,
    failures: Callable[[int], Mapping[Failure, int]] = lambda at: {},
    lag_ms: float = 0.5,
) -> Recording:
    """A recording of one step, by what each second had."""
    recording = Recording()
    for at in range(seconds):
        add(recording, at, latencies_ms(at), failures=failures(at), lag_ms=lag_ms)
        recording.in_flight[at] = in_flight(at)
    return recording


def levels(seconds: int, carried: float, spread: float, rng: np.random.Generator) -> Floats:
    """Logarithms by which seconds differ: each carries a share of the last one on."""
    found = np.empty(seconds)
    found[0] = rng.normal(0, spread)
    for at in range(1, seconds):
        found[at] = carried * found[at - 1] + rng.normal(0, spread * math.sqrt(1 - carried**2))
    return found

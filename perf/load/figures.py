"""From what was recorded to figures: steps, tenants, fairness and seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from perf.load.bins import Bins, bins_of, highest_us, merged
from perf.load.intervals import share_interval
from perf.load.recording import Cell, Histogram, Recording, TenantCell
from perf.load.results import (
    QUANTILES,
    Failure,
    Fairness,
    Quantile,
    Second,
    StepResult,
    TenantResult,
    Times,
)

if TYPE_CHECKING:
    from perf.load.bins import Integers

BEYOND: Final = 10  # values that must lie beyond a percentile: one or two there are chance
_US_PER_MS: Final = 1000

type Seconds = Sequence[Sequence[Histogram]]


def needed(q: float) -> int:
    """How many samples the q-quantile takes: 10 / (1 - q), so that 10 lie beyond it.

    >>> needed(0.5), needed(0.99), needed(0.9999)
    (20, 1000, 100000)
    """
    return round(BEYOND / (1 - q))


def measured(recording: Recording) -> range:
    """The seconds of the measured part, from 0 to the last in which a call was due."""
    dues = (at for cells in recording.steps.values() for at in cells)
    return range(max(dues, default=-1) + 1)


def times(
    seconds: Seconds, confidence: float = 0.95, quantiles: Iterable[float] = QUANTILES
) -> Times:
    """The distribution of all values of `seconds`, each of which has one histogram or several.

    Percentiles are those of `percentile`."""
    whole = merged(each for second in seconds for each in second)
    percentiles = _percentiles(seconds, quantiles, confidence)
    if not whole.total_count:
        return Times(0, None, None, None, percentiles)
    return Times(
        count=whole.total_count,
        mean_ms=whole.get_mean_value() / _US_PER_MS,
        min_ms=whole.get_min_value() / _US_PER_MS,
        max_ms=whole.get_max_value() / _US_PER_MS,
        quantiles=percentiles,
        histogram=whole.encode().decode(),
    )


def percentile(seconds: Seconds, q: float, confidence: float = 0.95) -> Quantile:
    """The q-quantile of all values of `seconds`: the nearest rank, only where `needed` samples are
    there.

    Its bounds are those of the share of calls that are as quick, turned into values (Woodruff,
    "Confidence intervals for medians and other position measures", JASA 47, 1952), by
    `share_interval`; None of fewer seconds than that takes.
    """
    (found,) = _percentiles(seconds, [q], confidence)
    return found


def total_result(
    recording: Recording, confidence: float = 0.95, quantiles: Iterable[float] = QUANTILES
) -> StepResult:
    """All steps together; its name is empty."""
    return _step_result("", list(recording.steps.values()), recording, confidence, quantiles)


def step_results(
    recording: Recording, confidence: float = 0.95, quantiles: Iterable[float] = QUANTILES
) -> tuple[StepResult, ...]:
    """Each step that was called in the measured part, by name."""
    results = (
        _step_result(name, [cells], recording, confidence, quantiles)
        for name, cells in sorted(recording.steps.items())
    )
    return tuple(each for each in results if each.requests)


def tenant_results(
    recording: Recording, confidence: float = 0.95, quantiles: Iterable[float] = QUANTILES
) -> tuple[TenantResult, ...]:
    """Each tenant that called in the measured part, by name."""
    span = measured(recording)
    results = []
    for tenant, cells in sorted(recording.tenants.items()):
        here = [[cells[at]] if at in cells else [] for at in span]
        latency = times([[c.latency for c in each] for each in here], confidence, quantiles)
        results.append(TenantResult(tenant, _due(here), _failures(here), latency))
    return tuple(each for each in results if each.requests)


def fairness(tenants: Sequence[TenantResult], total: StepResult) -> Fairness | None:
    """How evenly tenants were served; None of fewer than two.

    The index is that of Jain, Chiu & Hawe, "A quantitative measure of fairness and discrimination"
    (DEC-TR-301, 1984), of the share of its requests that each tenant had answered without a
    failure. A tenant that is throttled for asking too much lowers it, as it should read: it got
    less of what it asked for. The slowest is of those with enough requests for a p95.
    """
    if len(tenants) < 2:
        return None
    got = [1 - sum(each.failures.values()) / each.requests for each in tenants]
    squares = sum(share * share for share in got)
    index = sum(got) ** 2 / (len(got) * squares) if squares else 1.0  # nobody had anything
    p95s = [(p95, each.tenant) for each in tenants if (p95 := _p95(each.latency)) is not None]
    slowest_ms, slowest = max(p95s, default=(0.0, ""))
    of_all = _p95(total.latency)
    return Fairness(index, slowest, slowest_ms / of_all if p95s and of_all else None)


def seconds(recording: Recording) -> tuple[Second, ...]:
    """Each second from the first of the warm-up to the last, also those in which nothing was due.

    The p95 takes 20 calls in that second, of which it is the last but one: it shows a course, and
    is no figure to quote.
    """
    ats = [at for cells in recording.steps.values() for at in cells]
    known = [*ats, *recording.done, *recording.in_flight]
    if not known:
        return ()
    return tuple(_second(recording, at) for at in range(min(known), max(known) + 1))


def _second(recording: Recording, at: int) -> Second:
    cells = [each[at] for each in recording.steps.values() if at in each]
    latency = merged(each.latency for each in cells)
    lag = merged(each.lag for each in cells)
    failures = _failures([cells])
    return Second(
        at=at,
        due=sum(each.due for each in cells),
        done=recording.done.get(at, 0),
        failed=sum(n for kind, n in failures.items() if kind != Failure.THROTTLED),
        in_flight=recording.in_flight.get(at, 0),
        p50_ms=_plain_ms(latency, 0.5),
        p95_ms=_plain_ms(latency, 0.95, least=20),
        max_ms=_plain_ms(latency, 1),
        lag_max_ms=_plain_ms(lag, 1),
    )


def _step_result(
    name: str,
    steps: Sequence[Mapping[int, Cell]],
    recording: Recording,
    confidence: float,
    quantiles: Iterable[float],
) -> StepResult:
    here = [[cells[at] for cells in steps if at in cells] for at in measured(recording)]
    return StepResult(
        name=name,
        requests=_due(here),
        failures=_failures(here),
        latency=times([[c.latency for c in each] for each in here], confidence, quantiles),
        service=times([[c.service for c in each] for each in here], confidence, quantiles),
        lag=times([[c.lag for c in each] for each in here], confidence, quantiles),
    )


def _due(seconds: Iterable[Iterable[Cell | TenantCell]]) -> int:
    return sum(each.due for second in seconds for each in second)


def _failures(seconds: Iterable[Iterable[Cell | TenantCell]]) -> dict[str, int]:
    """By kind, in the order of `Failure`; only what happened."""
    found: Counter[str] = Counter()
    for second in seconds:
        for each in second:
            found.update(each.failures)
    return {str(kind): found[kind] for kind in Failure if found[kind]}


def _percentiles(
    seconds: Seconds, quantiles: Iterable[float], confidence: float
) -> tuple[Quantile, ...]:
    found = bins_of(seconds)
    calls = found.by_second
    return tuple(_quantile(found, calls, q, confidence) for q in quantiles)


def _quantile(found: Bins, calls: Integers, q: float, confidence: float) -> Quantile:
    if calls.sum() < needed(q):
        return Quantile(q, None, needs=needed(q))
    place = found.place(q)
    # Where many values are the same, as those of timeouts are, q may lie far inside of them.
    ends = (found.up_to(place - 1), found.up_to(place))
    quick = min(ends, key=lambda each: abs(each.sum() - q * calls.sum()))
    share = share_interval(quick, calls, confidence, share=q)
    if share is None:
        return Quantile(q, _ms(place))
    return Quantile(q, _ms(place), _ms(found.place(share.low)), _ms(found.place(share.high)))


def _ms(place: int) -> float:
    return highest_us(place) / _US_PER_MS


def _plain_ms(found: Histogram, q: float, least: int = 1) -> float | None:
    if found.total_count < least:
        return None
    return found.get_value_at_percentile(100 * q) / _US_PER_MS


def _p95(found: Times) -> float | None:
    p95 = found.at(0.95)
    return p95.value_ms if p95 else None

"""Two load tests beside each other, or several of each side: which times have moved."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np

from perf.engine.results import Interval
from perf.engine.student import student_interval
from perf.engine.welch import difference
from perf.load.intervals import mean_interval
from perf.load.results import (
    Change,
    LoadComparison,
    LoadDifference,
    LoadMethod,
    LoadRun,
    Model,
    StepResult,
)

MARGIN: Final = 0.1  # of no consequence
FAILED: Final = 0.005  # of all requests: so many more or fewer failures are told
_QUANTILES: Final = {"p50": 0.5, "p99": 0.99}
_METHOD: Final = (
    "model",
    "stages",
    "arrivals",
    "think_s",
    "warmup_s",
    "timeout_s",
    "max_in_flight",
    "workers",
)
# That these differ is what runs are compared for, or says nothing.
_MAY_DIFFER: Final = frozenset({"commit", "changed since the commit", "load before"})


class IncomparableError(ValueError):
    """Runs whose figures are not to be read, or that have no step in common. The message says
    which, and why."""


def compare(
    before: Sequence[LoadRun], after: Sequence[LoadRun], *, margin: float = MARGIN
) -> LoadComparison:
    """The ratios of p50 and p99 of all steps and of each, after to before, with the confidence of
    the first run. Below 1 is quicker; a change counts if the whole interval lies beyond `margin`.

    With two runs or more of each side, better three in turns (A B B A A B), the interval is Welch's
    on the logarithms of each run's percentile: what one run differs from the next by is in it then.
    With one run the intervals of both are put together by Zou & Donner, "Construction of confidence
    limits about effect measures", Statistics in Medicine 27 (2008).

    Raises `IncomparableError` for runs of which a ratio would compare nothing: one that is invalid,
    limited by its loader or broken off, one that is on both sides, and different scenarios.
    """
    for run in (*before, *after):
        if reasons := _unreadable(run):
            raise IncomparableError(f"The run {run.id} can not be compared: {' '.join(reasons)}")
    if both := {each.id for each in before} & {each.id for each in after}:
        raise IncomparableError(f"The run {min(both)} is on both sides.")
    if len(weights := dict.fromkeys(_weights(run.scenarios) for run in (*before, *after))) > 1:
        raise IncomparableError(f"They ran other scenarios: {' and '.join(weights)}.")
    differences = tuple(_differences(before, after, margin))
    if not differences:
        raise IncomparableError("The runs have no step in common.")
    return LoadComparison(
        before=tuple(each.id for each in before),
        after=tuple(each.id for each in after),
        differences=differences,
        unlike=tuple(unlike([*before, *after])),
        complaints=tuple(_complaints(before, after)),
    )


def _unreadable(run: LoadRun) -> tuple[str, ...]:
    partial = () if run.ended_at else ("It was broken off.",)
    return (*run.invalid, *run.rig.limited, *partial)


def unlike(runs: Sequence[LoadRun]) -> Iterator[str]:
    """In what runs differ, other than in what they found."""
    for name in _METHOD:
        yield from _unlike(name.removesuffix("_s"), [_told(run.method, name) for run in runs])
    yield from _unlike("target", [run.target for run in runs])
    names = dict.fromkeys(name for run in runs for name in run.environment)
    for name in names:
        if name not in _MAY_DIFFER:
            yield from _unlike(name, [run.environment.get(name, "–") for run in runs])


def _differences(
    before: Sequence[LoadRun], after: Sequence[LoadRun], margin: float
) -> Iterator[LoadDifference]:
    confidence = before[0].method.confidence
    if before[0].method.model is Model.CLOSED:
        rates = [[_rate(run) for run in side] for side in (before, after)]
        yield _difference("", "rate", rates, confidence, margin)
    sides = [[_by_name(run) for run in side] for side in (before, after)]
    for name in sides[0][0]:
        if not all(name in steps for side in sides for steps in side):
            continue
        for what, q in _QUANTILES.items():
            figures = [[_quantile(steps[name], q) for steps in side] for side in sides]
            yield _difference(name, what, figures, confidence, margin)


def _difference(
    step: str,
    what: str,
    sides: Sequence[Sequence[Interval | None]],
    confidence: float,
    margin: float,
) -> LoadDifference:
    before, after = ([each for each in side if each is not None] for side in sides)
    is_known = [len(before), len(after)] == [len(side) for side in sides]
    ratio = _ratio(before, after, confidence) if is_known else None
    verdict = _verdict(ratio, margin, more_is_better=what == "rate")
    return LoadDifference(step, what, _middle(before), _middle(after), ratio, verdict)


def _ratio(
    before: Sequence[Interval], after: Sequence[Interval], confidence: float
) -> Interval | None:
    ours, theirs = ([_logarithm(each) for each in side] for side in (before, after))
    if len(ours) > 1 and len(theirs) > 1:
        found = difference(
            [each.estimate for each in ours], [each.estimate for each in theirs], confidence
        )
    else:
        found = _apart(_side(ours, confidence), _side(theirs, confidence))
    if found is None or math.isnan(found.high - found.low):
        return None
    return Interval(*(math.exp(each) for each in (found.estimate, found.low, found.high)))


def _side(logs: Sequence[Interval], confidence: float) -> Interval:
    if len(logs) == 1:
        return logs[0]
    return student_interval([each.estimate for each in logs], confidence)


def _apart(one: Interval, other: Interval) -> Interval:
    """`other` less `one`, whose intervals know nothing of each other."""
    estimate = other.estimate - one.estimate
    below = math.hypot(other.estimate - other.low, one.high - one.estimate)
    above = math.hypot(other.high - other.estimate, one.estimate - one.low)
    return Interval(estimate, estimate - below, estimate + above)


def _verdict(ratio: Interval | None, margin: float, *, more_is_better: bool) -> Change:
    if ratio is None:
        return Change.UNDECIDED
    if ratio.low > 1 / (1 + margin) and ratio.high < 1 + margin:
        return Change.SAME
    if ratio.high < 1 / (1 + margin):
        return Change.WORSE if more_is_better else Change.BETTER
    if ratio.low > 1 + margin:
        return Change.BETTER if more_is_better else Change.WORSE
    return Change.UNDECIDED


def _by_name(run: LoadRun) -> dict[str, StepResult]:
    return {each.name: each for each in (run.total, *run.steps)}


def _quantile(step: StepResult, q: float) -> Interval | None:
    """None where there are too few samples; without bounds where there are too few seconds."""
    found = step.latency.at(q)
    if found is None or found.value_ms is None or found.value_ms <= 0:
        return None
    low = math.nan if found.low_ms is None else found.low_ms
    high = math.nan if found.high_ms is None else found.high_ms
    return Interval(found.value_ms, low, high)


def _rate(run: LoadRun) -> Interval | None:
    """Answers without failure a second; how sure that is, by the answers of each second."""
    done = [float(each.done) for each in run.seconds if 0 <= each.at < run.measured_s]
    found = mean_interval(np.array(done), run.method.confidence)
    if not run.rate:
        return None
    if found is None:
        return Interval(run.rate, math.nan, math.nan)
    scale = run.rate / found.estimate if found.estimate else math.nan
    return Interval(run.rate, found.low * scale, found.high * scale)


def _logarithm(found: Interval) -> Interval:
    low, high = (math.log(each) if each > 0 else math.nan for each in (found.low, found.high))
    return Interval(math.log(found.estimate), low, high)


def _middle(values: Sequence[Interval]) -> float | None:
    return statistics.geometric_mean(each.estimate for each in values) if values else None


def fails_more(before: Sequence[LoadRun], after: Sequence[LoadRun]) -> bool:
    """Whether clearly more requests fail after, or are throttled: their times are no gain, however
    short."""
    return _failed(after) - _failed(before) > FAILED


def _failed(side: Sequence[LoadRun]) -> float:
    """The share of requests that had no good answer in the worst run, 0 to 1."""
    return max(1 - run.total.successful / (run.total.requests or 1) for run in side)


def _complaints(before: Sequence[LoadRun], after: Sequence[LoadRun]) -> Iterator[str]:
    if min(len(before), len(after)) == 1:
        yield (
            "One run of a side: what one run differs from the next by is in no interval. Better "
            "three of each side, in turns."
        )
    shares = _failed(before), _failed(after)
    if abs(shares[1] - shares[0]) > FAILED:
        yield (
            f"Of the requests {shares[0]:.1%} failed or were throttled before, and {shares[1]:.1%} "
            "after: an answer that refuses may be a quick one."
        )
    for run in (*before, *after):
        yield from (f"{run.id}: {each}" for each in run.complaints)


def _unlike(name: str, values: Sequence[str]) -> Iterator[str]:
    if len(set(values)) > 1:
        yield f"{name}: {' and '.join(dict.fromkeys(values))}"


def _told(method: LoadMethod, name: str) -> str:
    if name != "stages":
        return f"{getattr(method, name)}"
    return ", ".join(
        f"{each.duration_s:g} s at {each.begins:g}"
        + (f" to {each.ends:g}" if each.ends != each.begins else "")
        for each in method.stages
    )


def _weights(scenarios: dict[str, float]) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in sorted(scenarios.items()))

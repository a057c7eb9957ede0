"""Objectives: what a run is to hold, such as `p99<300ms,fail<0.1%,rate>=50/s,p95[list]<200ms`.

An objective passes or fails only where the whole interval lies on one side of its limit.
"""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from perf.engine.results import Interval
from perf.load.figures import measured, percentile
from perf.load.intervals import LEAST_SECONDS, mean_interval, share_interval
from perf.load.recording import Cell, Histogram, Recording
from perf.load.results import Failure, SloResult, SloVerdict

if TYPE_CHECKING:
    from perf.load.bins import Integers

FORM: Final = (
    "Objectives are separated by commas, such as p99<300ms, p95[step]<1.5s, fail<0.1% or rate>=50/s"
)
_OBJECTIVE: Final = re.compile(
    r"(?P<of>p(?P<percent>\d+(\.\d+)?)|fail|rate)(\[(?P<step>[^\]]+)\])?"
    r"(?P<sign><=|>=|<|>)(?P<limit>\d+(\.\d+)?)(?P<unit>ms|us|µs|s|%|/s)?"
)
_SCALES: Final = {"us": 1e-3, "µs": 1e-3, "ms": 1.0, "s": 1e3, "%": 0.01, "/s": 1.0}
_SIGNS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


_REFUSED: Final = (Failure.STATUS, Failure.CHECK)  # what never came stands at the timeout
_FAILURES: Final = tuple(kind for kind in Failure if kind is not Failure.THROTTLED)


class SloError(ValueError):
    """A text that is no objective. The message says which, and what one looks like."""


class Measure(StrEnum):
    """What is limited."""

    PERCENTILE = "percentile"  # of latency, ms
    FAIL = "fail"  # share of requests, 0 to 1; a 429 is none
    RATE = "rate"  # answers without failure, a second


@dataclass(frozen=True, slots=True)
class Slo:
    """An objective. `limit` is in ms, a share or a second; `step` is empty for all steps; `q` is
    0.99 for p99, and 0 where nothing is a percentile."""

    text: str
    of: Measure
    step: str
    sign: str
    limit: float
    q: float = 0.0


def parse(text: str) -> tuple[Slo, ...]:
    """The objectives of a text; spaces are nothing. Raises `SloError` for what is none."""
    return tuple(_parsed(each.strip()) for each in text.split(",") if each.strip())


def quantiles_of(slos: Iterable[Slo]) -> frozenset[float]:
    """The percentiles that they limit."""
    return frozenset(each.q for each in slos if each.of is Measure.PERCENTILE)


def judge(
    slos: Sequence[Slo],
    recording: Recording,
    confidence: float = 0.95,
    *,
    is_overloaded: bool = False,
    seconds: int = 0,
) -> tuple[SloResult, ...]:
    """What the measured part says of each objective, in their order.

    It may be a part of a run: one that fails by then has failed, with `confidence` at each look.
    In overload a longer run would find worse: what does not hold by now fails, without regard to
    its interval, and nothing passes. `seconds` is how long a whole run has measured.
    """
    span = measured(recording)
    # In a closed model nothing is due while a server stands still: those seconds count for a rate.
    whole = range(max(len(span), seconds))
    found = (
        _found(
            each,
            _cells(recording, each.step, whole if each.of is Measure.RATE else span),
            confidence,
        )
        for each in slos
    )
    return tuple(_judged(each, is_overloaded) for each in found)


def verdict_of(found: Iterable[SloResult]) -> SloVerdict:
    """Of all objectives: one that fails fails them all, and one that is open leaves them open."""
    verdicts = {each.verdict for each in found}
    for worst in (SloVerdict.FAIL, SloVerdict.INCONCLUSIVE):
        if worst in verdicts:
            return worst
    return SloVerdict.PASS


def left_open(
    found: Iterable[SloResult], why: str, *, also_failed: bool = False
) -> tuple[SloResult, ...]:
    """The same, but nothing passes, or even fails: for a run whose figures are not the server's, or
    are not its last word."""
    kept = () if also_failed else (SloVerdict.FAIL,)
    return tuple(
        each
        if each.verdict in kept
        else SloResult(
            each.text, SloVerdict.INCONCLUSIVE, f"{each.measured}; {why}", recorded=each.verdict
        )
        for each in found
    )


def as_recorded(found: Iterable[SloResult]) -> tuple[SloResult, ...]:
    """The same as their figures say by themselves: what `left_open` was given."""
    return tuple(
        SloResult(each.text, each.recorded, each.measured.rpartition("; ")[0])
        if each.recorded
        else each
        for each in found
    )


def _parsed(text: str) -> Slo:
    found = _OBJECTIVE.fullmatch(re.sub(r"\s+(?![^\[]*\])", "", text))
    if found is None or not text.isprintable():
        raise SloError(f"{text!r} is no objective. {FORM}.")
    of = Measure.PERCENTILE if found["percent"] else Measure(found["of"])
    unit = found["unit"] or ""
    units, signs = _ALLOWED[of]
    if unit not in units:
        raise SloError(f"{text!r}: {found['of']} is given in {units[0]}. {FORM}.")
    if found["sign"] not in signs:
        raise SloError(f"{text!r}: {found['of']} takes {' or '.join(signs)}. {FORM}.")
    q = float(found["percent"] or 0) / 100
    if of is Measure.PERCENTILE and not 0 < round(q, 9) < 1:
        raise SloError(f"{text!r}: a percentile is above 0 and below 100. {FORM}.")
    limit = float(found["limit"]) * _SCALES.get(unit, 1.0)
    if of is Measure.FAIL and limit > 1:
        raise SloError(f"{text!r}: at most 100% can fail. {FORM}.")
    return Slo(text, of, found["step"] or "", found["sign"], limit, round(q, 9))


_ALLOWED: Final[Mapping[Measure, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    Measure.PERCENTILE: (("ms", "s", "us", "µs"), ("<", "<=")),
    Measure.FAIL: (("%",), ("<", "<=")),
    Measure.RATE: (("/s", ""), (">=", ">")),
}


@dataclass(frozen=True, slots=True)
class _Found:
    """What is known of an objective: nothing if `reason` says why. One that has a `doubt` does not
    pass, whatever its value, and fails where that is sure."""

    slo: Slo
    value: float | None = None
    bounds: Interval | None = None
    reason: str = ""
    doubt: str = ""
    is_sure: bool = False


def _found(slo: Slo, seconds: Sequence[Sequence[Cell]], confidence: float) -> _Found:
    due = np.array([sum(cell.due for cell in cells) for cells in seconds], np.int64)
    if not due.sum():
        reason = f"{slo.step} was not called" if slo.step else "nothing was called"
        return _Found(slo, reason=reason)
    match slo.of:
        case Measure.PERCENTILE:
            found = _percentile(slo, [[c.latency for c in cells] for cells in seconds], confidence)
            refused = np.array([_failed(cells, _REFUSED) for cells in seconds], np.int64)
            return _but_refused(found, refused, due, confidence)
        case Measure.FAIL:
            failed = np.array([_failed(cells) for cells in seconds], np.int64)
            share = float(failed.sum() / due.sum())
            return _Found(slo, share, share_interval(failed, due, confidence))
        case Measure.RATE:
            not_good = [_failed(cells, tuple(Failure)) for cells in seconds]
            good = (due - np.array(not_good, np.int64)).astype(np.float64)
            return _Found(slo, float(good.mean()), mean_interval(good, confidence))


def _but_refused(found: _Found, refused: Integers, due: Integers, confidence: float) -> _Found:
    """The same, in doubt where more were refused than lie beyond the percentile: however quick a
    refusal is, so many had no answer in time. That 429 came is looked at elsewhere."""
    share, most = float(refused.sum() / due.sum()), 1 - found.slo.q
    if share <= most:
        return found
    bounds = share_interval(refused, due, confidence)
    is_sure = bounds is not None and bounds.low > most
    return dataclasses.replace(found, doubt=f"but {_percent(share)} failed", is_sure=is_sure)


def _percentile(slo: Slo, latencies: Sequence[Sequence[Histogram]], confidence: float) -> _Found:
    found = percentile(latencies, slo.q, confidence)
    if found.value_ms is None:
        count = sum(each.total_count for second in latencies for each in second)
        return _Found(slo, reason=f"needs {found.needs:,} samples, and there are {count:,}")
    if found.low_ms is None or found.high_ms is None:
        return _Found(slo, found.value_ms)
    return _Found(slo, found.value_ms, Interval(found.value_ms, found.low_ms, found.high_ms))


def _judged(found: _Found, is_overloaded: bool) -> SloResult:
    slo = found.slo
    if found.value is None:
        return SloResult(slo.text, SloVerdict.INCONCLUSIVE, found.reason)
    told = _WRITTEN[slo.of](found.value)
    holds = _SIGNS[slo.sign]
    if found.bounds is not None:
        bounds = [found.bounds.low, found.bounds.high]
        told += f" [{', '.join(map(_WRITTEN[slo.of], bounds))}]"
    if is_overloaded:
        verdict = SloVerdict.INCONCLUSIVE if holds(found.value, slo.limit) else SloVerdict.FAIL
        return SloResult(slo.text, verdict, f"{told}; in overload, where a longer run finds worse")
    if found.bounds is None:
        few = f"{told}, and no interval of fewer than {LEAST_SECONDS} seconds"
        return SloResult(slo.text, SloVerdict.INCONCLUSIVE, few)
    held = [holds(bound, slo.limit) for bound in bounds]
    if all(held) and found.doubt:
        verdict = SloVerdict.FAIL if found.is_sure else SloVerdict.INCONCLUSIVE
        return SloResult(slo.text, verdict, f"{told}; {found.doubt}")
    if all(held):
        return SloResult(slo.text, SloVerdict.PASS, told)
    return SloResult(slo.text, SloVerdict.INCONCLUSIVE if any(held) else SloVerdict.FAIL, told)


def _cells(recording: Recording, step: str, span: range) -> list[list[Cell]]:
    """Those of a step, or of all, in each second."""
    steps = [recording.steps.get(step, {})] if step else list(recording.steps.values())
    return [[cells[at] for cells in steps if at in cells] for at in span]


def _failed(cells: Iterable[Cell], kinds: Sequence[Failure] = _FAILURES) -> int:
    return sum(cell.failures[kind] for cell in cells for kind in kinds)


def _milliseconds(value: float) -> str:
    return f"{value:.3g} ms" if value < 1000 else f"{value / 1000:.3g} s"


def _percent(value: float) -> str:
    return f"{100 * value:.3g}%"


def _per_second(value: float) -> str:
    return f"{value:.3g}/s" if value < 1000 else f"{value:,.0f}/s"


_WRITTEN: Final[Mapping[Measure, Callable[[float], str]]] = {
    Measure.PERCENTILE: _milliseconds,
    Measure.FAIL: _percent,
    Measure.RATE: _per_second,
}

"""Looks for the highest rate at which a service holds its objectives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Final

from perf.load.results import (
    CapacityPoint,
    CapacityResult,
    Failure,
    LoadRun,
    Model,
    Quantile,
    SloVerdict,
)
from perf.load.slo import Measure as Kind
from perf.load.slo import Slo, as_recorded, parse, verdict_of
from perf.load.steady import QUEUED

RESOLUTION: Final = 0.1  # between the rate that holds and the next one that doesn't
_DIGITS: Final = 3
_LONGEST_REST_S: Final = 60.0
_REFUSALS: Final = (Failure.STATUS, Failure.CHECK, Failure.THROTTLED)  # answers too
_STEPS_DOWN: Final = 6  # halvings of the first rate, where not even that one holds
_STEPS_UP: Final = 3  # doublings of it, where it has too few samples to be decided

type Measure = Callable[[float], LoadRun]
type Told = Callable[[CapacityPoint], None]


def search(
    measure: Measure,
    *,
    begins: float,
    most: float = math.inf,
    resolution: float = RESOLUTION,
    told: Told = lambda point: None,
    rest: Callable[[float], None] = time.sleep,
) -> CapacityResult:
    """The highest rate a second whose objectives pass, to `resolution` of it.

    `measure` makes a load test at a rate, with one objective or more, and `told` hears of each. The
    rate is doubled from `begins` while it passes, or halved until it does (where the first is not
    decided, as few samples don't, it is doubled some times too); between the last two the geometric
    middle is tried. A rate that does not pass is tried once more, as a hiccup is no
    limit, and holds if it passes then; one that the loader is not up to is not. After
    it the service is left to `rest` for as long as it takes to answer what was in flight, as it may
    go on with requests that nobody waits for any more. The search is over where a run was broken
    off without failing. A rate also passes by `holds_though_late`.

    Raises ValueError for a run without objectives.
    """
    looking = _Search(measure, told, rest)
    low, high = looking.bracket(begins, most)
    while low and high < math.inf and high > low * (1 + resolution):
        middle = _rounded(math.sqrt(low * high))
        if not low < middle < high or looking.is_over:
            break
        low, high = (middle, high) if looking.holds(middle) else (low, middle)
    return looking.result(low)


def holds_though_late(run: LoadRun) -> bool:
    """Whether the objectives hold although the loader was late.

    Latency counts from when a request was due, so that what the loader is late by only makes it
    longer. But a loader that is too slow asks less of the service than was due. So the load must
    be an open one and whole; lateness must be all that ails the loader; and nothing was dropped, or
    was later than 2 % of the measured time, which is how much may queue in the service too before
    it is overload (`steady.QUEUED`). See docs/decisions/0024-how-load-is-measured.md.
    """
    lag, is_whole = run.total.lag, run.ended_at is not None and not run.invalid
    return bool(
        run.method.model is Model.OPEN
        and is_whole
        and run.rig.only_late
        and lag.count == run.total.requests
        and (lag.max_ms or 0.0) <= QUEUED * run.measured_s * 1000
        and run.slos
        and all(each.recorded is SloVerdict.PASS for each in run.slos)
    )


class _Search:
    def __init__(self, measure: Measure, told: Told, rest: Callable[[float], None]) -> None:
        self._measure, self._told, self._rest = measure, told, rest
        self._slos: tuple[Slo, ...] = ()
        self._points: list[CapacityPoint] = []
        self.is_over = False

    def bracket(self, begins: float, most: float) -> tuple[float, float]:
        """A rate that holds, 0 for none, and one that doesn't, or infinity."""
        rate = min(_rounded(begins), most)
        is_held = self.holds(rate)
        for _ in range(_STEPS_UP):
            if is_held or not self._is_open() or self.is_over or rate >= most:
                break
            rate = min(_rounded(2 * rate), most)  # twice the rate has twice the samples
            is_held = self.holds(rate)
        return self._above(rate, most) if is_held else self._below(rate)

    def _above(self, rate: float, most: float) -> tuple[float, float]:
        while rate < most and not self.is_over:
            following = min(_rounded(2 * rate), most)
            if not self.holds(following):
                return rate, following
            rate = following
        return rate, math.inf

    def holds(self, rate: float) -> bool:
        """Whether a rate passes, at the first try or the second."""
        if self._passes(rate):
            return True
        is_final = self.is_over or bool(self._points[-1].limited)
        return not is_final and self._passes(rate)

    def result(self, holds: float) -> CapacityResult:
        above = self._above_it(holds)
        fails = min((x.rate for x in above if x.verdict is SloVerdict.FAIL), default=None)
        drawn = _drawn(self._slos)
        return CapacityResult(
            slos=tuple(each.text for each in self._slos),
            points=tuple(self._points),
            holds=holds or None,
            fails=fails,
            complaints=tuple(self._complaints(holds, above, fails or math.inf)),
            drawn=drawn.text.partition(drawn.sign)[0].strip() if drawn else "p99",
            limit_ms=drawn.limit if drawn else None,
        )

    def _below(self, rate: float) -> tuple[float, float]:
        for _ in range(_STEPS_DOWN):
            lower = _rounded(rate / 2)
            # What was not decided is decided still less by half of the samples.
            if self.is_over or self._is_open() or any(x.rate == lower for x in self._points):
                break
            if self.holds(lower):
                return lower, rate
            rate = lower
        return 0.0, rate

    def _is_open(self) -> bool:
        """Whether the last try was not decided, and that not for the loader."""
        last = self._points[-1]
        return last.verdict is SloVerdict.INCONCLUSIVE and not last.limited

    def _passes(self, rate: float) -> bool:
        run = self._measure(rate)
        if not run.slos:
            raise ValueError("A capacity is that of objectives, and the run has none.")
        self._slos = tuple(slo for each in run.slos for slo in parse(each.text))
        point = _point(rate, run, _drawn(self._slos))
        self._points.append(point)
        self._told(point)
        # One that an objective has ended says so in its note; else somebody has ended it.
        self.is_over = run.ended_at is None and not run.note
        passes = point.verdict is SloVerdict.PASS
        if not passes and not self.is_over:
            self._let_rest(_backlog_s(run))
        return passes

    def _let_rest(self, seconds: float) -> None:
        try:
            self._rest(seconds)
        except KeyboardInterrupt:  # what was found by then is not lost
            self.is_over = True

    def _above_it(self, holds: float) -> list[CapacityPoint]:
        """The tries above a rate. Of two of one rate the second one counts: a first one that failed
        may have been a hiccup."""
        return list({each.rate: each for each in self._points if each.rate > holds}.values())

    def _complaints(self, holds: float, above: list[CapacityPoint], fails: float) -> Iterator[str]:
        if self.is_over:
            yield "The search was broken off."
        if any(each.rate == holds and each.late for each in self._points):
            yield (
                f"At {holds:g}/s the loader was late: the objectives hold with that in the latency."
            )
        unknown = [each for each in above if each.rate < fails]
        if limited := [each.rate for each in unknown if each.limited]:
            yield f"At {min(limited):g}/s the loader was at its limit, not the service."
        undecided = [each.rate for each in unknown if not each.limited]
        if undecided and not self.is_over:
            yield f"At {min(undecided):g}/s it was not decided."
        if not above:
            yield "No rate was tried that does not hold: the limit is higher."


def _drawn(slos: tuple[Slo, ...]) -> Slo | None:
    """The first objective of latency."""
    return next((each for each in slos if each.of is Kind.PERCENTILE), None)


def _point(rate: float, run: LoadRun, drawn: Slo | None) -> CapacityPoint:
    is_late = holds_though_late(run)
    slos = as_recorded(run.slos) if is_late else run.slos
    return CapacityPoint(
        rate=rate,
        verdict=verdict_of(slos),
        slos=slos,
        latency=_latency(run, drawn),
        done=run.rate,
        limited=() if is_late else run.rig.limited,
        late=run.rig.limited if is_late else (),
        run=run.id,
    )


def _latency(run: LoadRun, drawn: Slo | None) -> Quantile | None:
    """What an objective limits; of none the p99 of all."""
    if drawn is None:
        return run.total.latency.at(0.99)
    steps = [each for each in run.steps if each.name == drawn.step] if drawn.step else [run.total]
    return steps[0].latency.at(drawn.q) if steps else None


def _backlog_s(run: LoadRun) -> float:
    """How long a service may take for all that was in flight, at the rate at which it answered."""
    most = max((each.in_flight for each in run.seconds), default=0)
    refused = sum(run.total.failures.get(kind, 0) for kind in _REFUSALS)
    answers = run.rate + (refused / run.measured_s if run.measured_s else 0.0)
    return min(_LONGEST_REST_S, most / answers if answers else _LONGEST_REST_S)


def _rounded(rate: float) -> float:
    """To three digits."""
    return float(f"{rate:.{_DIGITS}g}")

"""Looks for the highest rate at which a service holds its objectives."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final

from perf.load.results import CapacityPoint, CapacityResult, Failure, LoadRun, SloVerdict
from perf.load.slo import verdict_of

RESOLUTION: Final = 0.1  # between the rate that holds and the next one that doesn't
_DIGITS: Final = 3
_LONGEST_REST_S: Final = 60.0
_REFUSALS: Final = (Failure.STATUS, Failure.CHECK, Failure.THROTTLED)  # answers too
_STEPS_DOWN: Final = 6  # halvings of the first rate, where not even that one holds

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
    rate is doubled from `begins` while it passes, or halved until it does; between the last two the
    geometric middle is tried. A rate that does not pass is tried once more, as a hiccup is no
    limit, and holds if it passes then; one that the loader is not up to is not. After
    it the service is left to `rest` for as long as it takes to answer what was in flight, as it may
    go on with requests that nobody waits for any more. The search is over where a run was broken
    off without failing.

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


class _Search:
    def __init__(self, measure: Measure, told: Told, rest: Callable[[float], None]) -> None:
        self._measure, self._told, self._rest = measure, told, rest
        self._slos: tuple[str, ...] = ()
        self._points: list[CapacityPoint] = []
        self.is_over = False

    def bracket(self, begins: float, most: float) -> tuple[float, float]:
        """A rate that holds, 0 for none, and one that doesn't, or infinity."""
        rate = min(_rounded(begins), most)
        if not self.holds(rate):
            return self._below(rate)
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
        failed = [
            each.rate
            for each in self._points
            if each.verdict is SloVerdict.FAIL and each.rate > holds
        ]
        return CapacityResult(
            slos=self._slos,
            points=tuple(self._points),
            holds=holds or None,
            fails=min(failed, default=None),
            complaints=tuple(self._complaints(holds)),
        )

    def _below(self, rate: float) -> tuple[float, float]:
        for _ in range(_STEPS_DOWN):
            lower = _rounded(rate / 2)
            # What was not decided is decided still less by half of the samples.
            if self.is_over or self._points[-1].verdict is not SloVerdict.FAIL:
                break
            if self.holds(lower):
                return lower, rate
            rate = lower
        return 0.0, rate

    def _passes(self, rate: float) -> bool:
        run = self._measure(rate)
        if not run.slos:
            raise ValueError("A capacity is that of objectives, and the run has none.")
        self._slos = tuple(each.text for each in run.slos)
        point = CapacityPoint(
            rate=rate,
            p99=run.total.latency.at(0.99),
            verdict=verdict_of(run.slos),
            done=run.rate,
            limited=run.rig.limited,
        )
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

    def _complaints(self, holds: float) -> list[str]:
        found = ["The search was broken off."] if self.is_over else []
        above = [each for each in self._points if each.rate > holds]
        limited = [each.rate for each in above if each.limited]
        if limited:
            found.append(f"At {min(limited):g}/s the loader was at its limit, not the service.")
        undecided = [
            each.rate
            for each in above
            if each.verdict is SloVerdict.INCONCLUSIVE and not each.limited
        ]
        if undecided and not self.is_over:
            found.append(
                f"At {min(undecided):g}/s it was not decided: a longer --duration may do that."
            )
        if not above:
            found.append("No rate was tried that does not hold: the limit is higher.")
        return found


def _backlog_s(run: LoadRun) -> float:
    """How long a service may take for all that was in flight, at the rate at which it answered."""
    most = max((each.in_flight for each in run.seconds), default=0)
    refused = sum(run.total.failures.get(kind, 0) for kind in _REFUSALS)
    answers = run.rate + (refused / run.measured_s if run.measured_s else 0.0)
    return min(_LONGEST_REST_S, most / answers if answers else _LONGEST_REST_S)


def _rounded(rate: float) -> float:
    """To three digits."""
    return float(f"{rate:.{_DIGITS}g}")

"""The samples themselves, drawn: in the order in which they were taken, and by their size."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from perf.engine.results import Controls, PairResult, SizeResult
from perf.report import figures, summary, svg
from perf.report.markup import Markup, join
from perf.report.scales import drawable, linear_scale, log_scale
from perf.report.svg import HEIGHT, LEFT, TOP, WIDTH, Frame, Label

_MARKS: Final = 7  # on a stair, to tell it from others


@dataclass(frozen=True, slots=True)
class _Series:
    name: str
    way: int
    samples: tuple[tuple[float, ...], ...]  # the rounds of each execution

    @property
    def every(self) -> list[float]:
        return [each for each in chain(*self.samples) if drawable(each)]


def samples_in_order(key: str, pair: PairResult, size: SizeResult) -> Markup | None:
    """Each sample at its execution and round: a machine that drifts shows as a slope."""
    title = f"Samples in their order at {figures.count(size.size)} rows: {pair.name}"
    series = list(_series(pair, size))
    return _in_order(key, title, "time of a call (log)", series) if series else None


def yardstick(key: str, controls: Controls | None) -> Markup | None:
    """A fixed piece of work in each execution: what moves here is the machine."""
    samples = tuple((each,) for each in controls.yardstick) if controls else ()
    series = _Series("yardstick", 0, samples)
    title = "A fixed piece of work in each execution"
    return _in_order(key, title, "time of the work (log)", [series]) if series.every else None


def distribution(key: str, pair: PairResult, size: SizeResult) -> Markup | None:
    """Which share of the samples took up to so long: a second hump or a long tail shows."""
    series = list(_series(pair, size))
    if not series:
        return None
    right = WIDTH - svg.right_margin(each.name for each in series)
    x = log_scale(chain(*(each.every for each in series)), LEFT, right)
    frame = Frame(x, linear_scale(0.0, 1.0, HEIGHT - svg.BOTTOM, TOP))
    ticks = [(each, figures.ns(each)) for each in x.ticks()]
    return svg.drawing(
        key,
        f"Distribution of the samples at {figures.count(size.size)} rows: {pair.name}",
        "; ".join(_described(each) for each in series),
        svg.axes(frame, "time of a call (log)", "share of the samples", ticks, figures.percent),
        (_stair(frame, each) for each in series),
        svg.end_labels(frame, _ends(frame, series)),
    )


def _series(pair: PairResult, size: SizeResult) -> Iterator[_Series]:
    for at, way in enumerate(summary.ordered_ways(pair)):
        result = size.variant(way.name)
        found = _Series(way.name, at, result.samples if result else ())
        if found.every:
            yield found


def _in_order(key: str, title: str, y_title: str, series: Sequence[_Series]) -> Markup:
    executions = max(len(each.samples) for each in series)
    right = WIDTH - svg.right_margin(each.name for each in series)
    y = log_scale(chain(*(each.every for each in series)), HEIGHT - svg.BOTTOM, TOP)
    frame = Frame(linear_scale(0.0, float(executions), LEFT, right), y)
    ticks = [(at + 0.5, str(at + 1)) for at in range(executions)]
    return svg.drawing(
        key,
        title,
        "; ".join(_described(each) for each in series),
        _stripes(frame, executions),
        svg.axes(frame, "execution", y_title, ticks, figures.ns, x_lines=False),
        (_execution(frame, each, at) for each in series for at in range(len(each.samples))),
        svg.end_labels(frame, (Label(each.name, _last(frame, each), each.way) for each in series)),
    )


def _stripes(frame: Frame, executions: int) -> Iterator[Markup]:
    """Every second execution is shaded, so that its rounds are seen to belong together."""
    height = frame.bottom - frame.top
    for at in range(1, executions, 2):
        start, end = frame.x.at(at), frame.x.at(at + 1)
        yield svg.rectangle(start, frame.top, end - start, height, "stripe")


def _execution(frame: Frame, series: _Series, at: int) -> Markup:
    rounds = series.samples[at]
    points = [
        frame.at(at + (turn + 0.5) / len(rounds), each)
        for turn, each in enumerate(rounds)
        if drawable(each)
    ]
    line = svg.path(points, "curve faint", series.way)
    return join((line, svg.markers(points, series.way, "marker", 2.5)))


def _last(frame: Frame, series: _Series) -> float:
    return frame.y.at(series.every[-1])


def _stair(frame: Frame, series: _Series) -> Markup:
    every = sorted(series.every)
    places = [frame.at(each, (at + 1) / len(every)) for at, each in enumerate(every)]
    start = (places[0][0], frame.bottom)
    stair = svg.steps([start, *places], "curve", series.way)
    few = places[:: math.ceil(len(places) / _MARKS)]
    return join((stair, svg.markers(few, series.way, "marker", 3.0)))


def _ends(frame: Frame, series: Sequence[_Series]) -> Iterator[Label]:
    """All stairs end at 100 %: their names stand below each other, the quickest first."""
    for each in sorted(series, key=lambda each: statistics.median(each.every)):
        yield Label(each.name, frame.top, each.way)


def _described(series: _Series) -> str:
    every = series.every
    low, high = figures.ns(min(every)), figures.ns(max(every))
    return f"{series.name}: {figures.plural(len(every), 'sample')} from {low} to {high}"

"""The ratio of naive to efficient over the rows, drawn with intervals, noise and payoff."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from perf.engine.results import Comparison, Controls, Interval, PairResult, Payoff
from perf.report import figures, summary, svg
from perf.report.markup import Markup, join
from perf.report.plots_growth import size_frame, size_ticks, sizes_to_draw
from perf.report.scales import drawable
from perf.report.svg import LETTER, LINE, Frame, Label

_CAP: Final = 3.0  # half of the width of the end of an interval
_APART: Final = 7.0  # from one naive way to the next at the same size


@dataclass(frozen=True, slots=True)
class _Series:
    """A naive way's ratios; `shift` is to the side, so that intervals don't hide each other."""

    name: str
    way: int
    shift: float
    found: tuple[tuple[int, Interval], ...]


def ratio_over_sizes(key: str, pair: PairResult, controls: Controls | None) -> Markup | None:
    """How many times as long the naive ways take, at each size."""
    series = list(_series(pair))
    values = [value for each in series for _, found in each.found for value in _ends(found)]
    if not values:
        return None
    sizes = [each.size for each in sizes_to_draw(pair)]
    payoffs = [each for each in pair.payoffs if drawable(each.size)]
    noise = _noise(controls)
    names = [each.name for each in series]
    frame = size_frame(sizes, [*values, 1.0, *noise], names, inset=len(payoffs) * LINE)
    return svg.drawing(
        key,
        f"Ratio of naive to efficient over the number of rows: {pair.name}",
        "; ".join(_described(each) for each in series),
        svg.axes(frame, "rows (log)", "naive : efficient (log)", size_ticks(sizes), _times),
        _noise_band(frame, noise),
        svg.line((frame.left, frame.y.at(1)), (frame.right, frame.y.at(1)), "one"),
        _refused(frame, pair),
        *_payoffs(frame, pair, payoffs),
        (_drawn(frame, each) for each in series),
        svg.end_labels(frame, (_label(frame, each) for each in series if each.found)),
    )


def _times(value: float) -> str:
    return figures.ratio(value)


def _series(pair: PairResult) -> Iterator[_Series]:
    naive = summary.naive_ways(pair)
    for at, way in enumerate(naive):
        seen = ((size.size, size.comparison(way.name)) for size in sizes_to_draw(pair))
        found = tuple((size, ratio) for size, each in seen if (ratio := _ratio(each)))
        if found:
            shift = (at - (len(naive) - 1) / 2) * _APART
            yield _Series(way.name, at + 1, shift, found)


def _ratio(found: Comparison | None) -> Interval | None:
    return found.ratio if found and found.ratio and drawable(found.ratio.estimate) else None


def _ends(found: Interval) -> list[float]:
    return [each for each in (found.low, found.estimate, found.high) if drawable(each)]


def _noise(controls: Controls | None) -> tuple[float, ...]:
    if controls is None or not drawable(controls.noise_floor):
        return ()
    return 1 / controls.noise_floor, controls.noise_floor


def _described(series: _Series) -> str:
    told = ", ".join(
        f"{figures.ratio_interval(found)} at {figures.size(size)}" for size, found in series.found
    )
    return f"{series.name}: {told}"


def _noise_band(frame: Frame, noise: Sequence[float]) -> Markup:
    if not noise:
        return Markup()
    low, high = sorted(frame.y.at(each) for each in noise)
    band = svg.rectangle(frame.left, low, frame.right - frame.left, high - low, "noise")
    if high - low < LINE:
        return band  # no room for the word, and beside the band it would be in the way
    return join((band, svg.text((frame.left + 4, low + LINE - 3), "noise", "tick")))


def _drawn(frame: Frame, series: _Series) -> Markup:
    places = [
        (frame.x.at(size) + series.shift, frame.y.at(found.estimate))
        for size, found in series.found
    ]
    bars = (
        _bar(frame, x, found, series.way)
        for (x, _), (_, found) in zip(places, series.found, strict=True)
    )
    curve = svg.path(places, "curve faint", series.way)
    return join((curve, bars, svg.markers(places, series.way)))


def _bar(frame: Frame, x: float, found: Interval, way: int) -> Markup:
    low, high = (frame.y.at(each) if drawable(each) else None for each in (found.low, found.high))
    if low is None or high is None:
        return Markup()
    caps = (svg.path([(x - _CAP, y), (x + _CAP, y)], "bar", way) for y in (low, high))
    return join((svg.path([(x, low), (x, high)], "bar", way), caps))


def _refused(frame: Frame, pair: PairResult) -> Iterator[Markup]:
    for size in sizes_to_draw(pair):
        if size.refusal:
            x = frame.x.at(size.size)
            anchor = "end" if x > (frame.left + frame.right) / 2 else "start"
            yield svg.text((x, frame.bottom - 6), "✕ refused", "note", anchor)


def _payoffs(frame: Frame, pair: PairResult, found: Sequence[Payoff]) -> Iterator[Markup]:
    """Lines where it begins to pay; words in a row of their own each, above all lines."""
    names = [each.name for each in summary.ordered_ways(pair)]
    words = []
    for row, each in enumerate(found):
        way = names.index(each.naive) if each.naive in names else 0
        x, y = frame.x.at(each.size or 1), frame.top + row * LINE + 10
        yield svg.path([(x, y - 8), (x, frame.bottom)], "payoff", way)
        words.append(_pays(frame, x, y, f"pays from {figures.size(each.size)}", way))
    yield from words


def _pays(frame: Frame, x: float, y: float, words: str, way: int) -> Markup:
    fits = x + 4 + len(words) * LETTER < frame.right
    place, anchor = (x + 4, "start") if fits else (x - 4, "end")
    return svg.text((place, y), words, f"label way{way % svg.WAYS}", anchor)


def _label(frame: Frame, series: _Series) -> Label:
    return Label(series.name, frame.y.at(series.found[-1][1].estimate), series.way)

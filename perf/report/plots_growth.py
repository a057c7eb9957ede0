"""How time and blocks grow with the rows, drawn. None stands for no picture."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from perf.engine.results import Growth, Interval, PairResult, SizeResult, VariantResult
from perf.report import figures, summary, svg
from perf.report.markup import Markup, join
from perf.report.scales import drawable, log_scale
from perf.report.svg import HEIGHT, LEFT, TOP, WIDTH, Frame, Label, Point

_FIT_STEPS: Final = 48
_SMALL_MARKER: Final = 3.2

type Format = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Curve:
    """A way over sizes: `spread` has a value of each execution, `middle` is drawn as the line."""

    name: str
    way: int
    sizes: tuple[int, ...]
    middle: tuple[float, ...]
    spread: tuple[tuple[float, ...], ...]
    fit: Growth | None


def growth_of_time(key: str, pair: PairResult) -> Markup | None:
    """Medians over sizes, both axes logarithmic; the band has the middle half of executions."""
    curves = [each for each in _time_curves(pair) if each.sizes]
    title = f"Time of a call over the number of rows: {pair.name}"
    return _growth(key, title, "median of a call (log)", curves, figures.ns)


def growth_of_blocks(key: str, pair: PairResult) -> Markup | None:
    """Blocks over sizes. A logarithm has no place for none at all: those points are left out."""
    curves = [each for each in _block_curves(pair) if each.sizes]
    title = f"Blocks of a call over the number of rows: {pair.name}"
    return _growth(key, title, "blocks of 8 KiB a call (log)", curves, _blocks)


def _blocks(value: float | None) -> str:
    return figures.number(value)


def _time_curves(pair: PairResult) -> Iterator[Curve]:
    for at, way in enumerate(summary.ordered_ways(pair)):
        found = [
            (size.size, median, execution_medians(result))
            for size in sizes_to_draw(pair)
            if not size.refusal
            and (result := size.variant(way.name))
            and (median := _drawn_median(result))
        ]
        fit = summary.growth_of(pair, way.name)
        yield Curve(way.name, at, *_columns(found), fit)


def _block_curves(pair: PairResult) -> Iterator[Curve]:
    for at, way in enumerate(summary.ordered_ways(pair)):
        found = []
        for size in sizes_to_draw(pair):
            result = None if size.refusal else size.variant(way.name)
            counters = summary.counters_of(result)
            draws = tuple(map(float, counters.blocks_by_draw)) if counters else ()
            if draws and all(drawable(each) for each in draws):
                found.append((size.size, statistics.median(draws), draws))
        fit = summary.growth_of(pair, way.name, summary.BLOCKS)
        yield Curve(way.name, at, *_columns(found), fit)


def _columns(
    found: Sequence[tuple[int, float, tuple[float, ...]]],
) -> tuple[tuple[int, ...], tuple[float, ...], tuple[tuple[float, ...], ...]]:
    return (
        tuple(each[0] for each in found),
        tuple(each[1] for each in found),
        tuple(each[2] for each in found),
    )


def sizes_to_draw(pair: PairResult) -> list[SizeResult]:
    """The sizes that a logarithm has a place for, ascending."""
    found = (each for each in pair.sizes if drawable(each.size))
    return sorted(found, key=lambda each: each.size)


def execution_medians(result: VariantResult) -> tuple[float, ...]:
    """The median of each execution that can be drawn."""
    found = (statistics.median(each) for each in result.samples if each)
    return tuple(each for each in found if drawable(each))


def _drawn_median(result: VariantResult) -> float | None:
    median = summary.median_ns(result)
    return median if drawable(median) else None


def _growth(
    key: str, title: str, y_title: str, curves: Sequence[Curve], y_format: Format
) -> Markup | None:
    sizes = sorted({size for each in curves for size in each.sizes})
    if not sizes:
        return None
    values = [value for each in curves for at in (each.middle, *each.spread) for value in at]
    frame = size_frame(sizes, values, [each.name for each in curves])
    described = "; ".join(_described(each, y_format) for each in curves)
    return svg.drawing(
        key,
        title,
        described,
        svg.axes(frame, "rows (log)", y_title, size_ticks(sizes), y_format),
        (_band(frame, each) for each in curves),
        (_fitted(frame, each) for each in curves),
        (_curve(frame, each) for each in reversed(curves)),
        svg.end_labels(frame, (_label(frame, each) for each in curves)),
    )


def size_frame(
    sizes: Sequence[int], values: Sequence[float], names: Sequence[str], inset: float = 0.0
) -> Frame:
    """A field over sizes, both axes logarithmic, with room for names beside it, and `inset` at the
    top for words."""
    x = log_scale(sizes, LEFT, WIDTH - svg.right_margin(names))
    return Frame(x, log_scale(values, HEIGHT - svg.BOTTOM, TOP + inset))


def size_ticks(sizes: Sequence[int]) -> list[tuple[float, str]]:
    """Ticks where it was measured, and nowhere else."""
    return [(each, figures.size(each)) for each in sizes]


def _described(curve: Curve, y_format: Format) -> str:
    points = zip(curve.sizes, curve.middle, strict=True)
    told = ", ".join(f"{y_format(value)} at {figures.size(size)}" for size, value in points)
    return f"{curve.name}: {told}"


def _curve(frame: Frame, curve: Curve) -> Markup:
    middle = [frame.at(*each) for each in zip(curve.sizes, curve.middle, strict=True)]
    return join(
        (
            svg.path(middle, "curve", curve.way),
            svg.dots(_executions(frame, curve), curve.way),
            # The efficient way's is smaller, and on top: none hides another at the same place.
            svg.markers(middle, curve.way, size=svg.MARKER if curve.way else _SMALL_MARKER),
        )
    )


def _executions(frame: Frame, curve: Curve) -> Iterator[Point]:
    for size, values in zip(curve.sizes, curve.spread, strict=True):
        for value in values:
            yield frame.at(size, value)


def _band(frame: Frame, curve: Curve) -> Markup:
    known = [
        (size, statistics.quantiles(values, n=4, method="inclusive"))
        for size, values in zip(curve.sizes, curve.spread, strict=True)
        if len(values) > 1
    ]
    upper = [frame.at(size, quarters[2]) for size, quarters in known]
    lower = [frame.at(size, quarters[0]) for size, quarters in known]
    return svg.area(upper, lower, curve.way)


def _fitted(frame: Frame, curve: Curve) -> Markup:
    """a + b·N^k, where it was found, as far as it lies in the field."""
    found = curve.fit
    if not found or found.exponent is None or found.slope is None or len(curve.sizes) < 2:
        return Markup()
    start, end = math.log10(curve.sizes[0]), math.log10(curve.sizes[-1])
    at = [10 ** (start + (end - start) * step / _FIT_STEPS) for step in range(_FIT_STEPS + 1)]
    values = ((size, _modelled(found, found.exponent, size)) for size in at)
    points = [frame.at(size, value) for size, value in values if frame.y.holds(value)]
    return svg.path(points, "fit", curve.way)


def _modelled(found: Growth, exponent: Interval, size: float) -> float:
    try:
        power: float = size**exponent.estimate
        return (found.floor or 0.0) + (found.slope or 0.0) * power
    except OverflowError:
        return math.inf


def _label(frame: Frame, curve: Curve) -> Label:
    return Label(curve.name, frame.y.at(curve.middle[-1]), curve.way)

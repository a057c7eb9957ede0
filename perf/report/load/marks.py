"""Percentiles as marks with intervals, for drawings with a logarithmic axis of times."""

from __future__ import annotations

from typing import Final

from perf.load.results import Quantile
from perf.report import svg
from perf.report.markup import Markup, join
from perf.report.scales import drawable
from perf.report.svg import Frame

_CAP: Final = 3.0  # half of the width of the end of an interval


def quantile(
    frame: Frame, x: float, found: Quantile, way: int, size: float, style: str = "marker"
) -> Markup:
    """The mark at a value of x, with a bar from bound to bound; nothing where it has no place."""
    if found.value_ms is None or not drawable(found.value_ms):
        return Markup()
    mark = svg.markers([frame.at(x, found.value_ms)], way, style, size)
    bounds = [y for y in (found.low_ms, found.high_ms) if y is not None and drawable(y)]
    if len(bounds) < 2:
        return mark
    low, high = (frame.at(x, each) for each in bounds)
    caps = (svg.path([(at - _CAP, y), (at + _CAP, y)], "bar", way) for at, y in (low, high))
    return join((svg.path([low, high], "bar", way), caps, mark))


def ends(found: Quantile) -> list[float]:
    """All values that such a mark has a place for."""
    of = (found.low_ms, found.value_ms, found.high_ms)
    return [each for each in of if each is not None and drawable(each)]

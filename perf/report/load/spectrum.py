"""The whole distribution of times, drawn so that the slowest have the most room: each step to the
right holds a tenth of the samples of the one before. None stands for no picture.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from perf.load.results import LoadRun, Times
from perf.report import figures, svg
from perf.report.load import marks
from perf.report.load.summary import milliseconds, quantile, quantile_name
from perf.report.markup import Markup, join
from perf.report.scales import drawable, log_scale
from perf.report.svg import HEIGHT, LEFT, LINE, TOP, WIDTH, Frame, Label, Point

STEPS: Final = 5  # as there are colours
CERTAIN: Final = 10  # samples above a percentile, below which it is chance
_NEAR: Final = 0.5  # pixels: what is nearer is not drawn
_LEAST_MS: Final = 0.001  # a logarithm has no place for 0


@dataclass(frozen=True, slots=True)
class _Curve:
    """`points` are 1/(1 - q) and milliseconds."""

    name: str
    way: int
    times: Times
    points: tuple[Point, ...]


def of_clocks(key: str, run: LoadRun) -> Markup | None:
    """Latency, service time and lag of all requests, latency with its intervals."""
    found = (("latency", run.total.latency), ("service time", run.total.service))
    clocks = (*found, ("lag", run.total.lag))
    return _drawing(key, "Times of all requests by percentile", clocks)


def of_steps(key: str, run: LoadRun) -> Markup | None:
    """The latency of the steps; of many those that were asked for most."""
    most = sorted(run.steps, key=lambda each: -each.requests)[:STEPS]
    if len(run.steps) < 2:
        return None
    steps = [(each.name, each.latency) for each in run.steps if each in most]
    return _drawing(key, "Latency of each step by percentile", steps)


def points(times: Times) -> tuple[Point, ...]:
    """1/(1 - q) and milliseconds, of the histogram; or of the percentiles that are known, where it
    can't be read or there is nothing to read it with."""
    return tuple(_recorded(times)) or tuple(_known(times))


def _recorded(times: Times) -> Iterator[Point]:
    if not times.histogram or find_spec("hdrh") is None:
        return
    from hdrh.codec import HdrCookieException, HdrLengthException
    from hdrh.histogram import HdrHistogram

    try:
        kept = HdrHistogram.decode(times.histogram)
    except (ValueError, zlib.error, HdrCookieException, HdrLengthException):
        return
    so_far, whole = 0, kept.get_total_count()
    for each in kept.get_recorded_iterator():
        value = max(each.value_iterated_to / 1e3, _LEAST_MS)
        # The value is that of all samples from the last one on, so that the line is a stair.
        yield whole / (whole - so_far), value
        so_far = each.total_count_to_this_value
        yield whole / max(1, whole - so_far), value


def _known(times: Times) -> Iterator[Point]:
    for each in times.quantiles:
        if each.value_ms is not None and 0 <= each.q < 1 and drawable(each.value_ms):
            yield 1 / (1 - each.q), each.value_ms


def _drawing(key: str, title: str, found: Sequence[tuple[str, Times]]) -> Markup | None:
    every = (_Curve(name, at, times, points(times)) for at, (name, times) in enumerate(found))
    curves = [each for each in every if each.points]
    if not curves:
        return None
    frame = _frame(curves)
    return svg.drawing(
        key,
        title,
        "; ".join(map(_described, curves)),
        _chance(frame, curves[0].times.count),
        svg.axes(frame, "percentile (log of 1/(1-q))", "time (log)", _ticks(frame), milliseconds),
        (svg.path(_thinned(frame, each), "curve", each.way) for each in reversed(curves)),
        (_intervals(frame, each) for each in reversed(curves)),
        svg.end_labels(frame, (_label(frame, each) for each in curves)),
    )


def _frame(curves: Sequence[_Curve]) -> Frame:
    right = WIDTH - svg.right_margin(each.name for each in curves)
    values = [value for each in curves for _, value in each.points]
    most = max(10.0, *(x for each in curves for x, _ in each.points))
    x = log_scale([1.0, most], LEFT, right, room=0.0)
    return Frame(x, log_scale(values, HEIGHT - svg.BOTTOM, TOP))


def _ticks(frame: Frame) -> list[tuple[float, str]]:
    decades = [each for power in range(1, 9) if frame.x.holds(each := 10.0**power)]
    return [(each, quantile_name(1 - 1 / each)) for each in (2.0, *decades)]


def _chance(frame: Frame, count: int) -> Markup:
    """Shaded where fewer samples lie above than make a percentile more than chance."""
    start = frame.x.at(max(1.0, count / CERTAIN))
    width = frame.right - start
    shade = svg.rectangle(start, frame.top, width, frame.bottom - frame.top, "noise")
    return join((shade, svg.text((start + 3, frame.top + LINE - 3), "chance", "tick")))


def _thinned(frame: Frame, curve: _Curve) -> list[Point]:
    """The places, without those that could not be told from the one before."""
    kept: list[Point] = []
    for at in (frame.at(*each) for each in curve.points):
        if not kept or max(abs(at[0] - kept[-1][0]), abs(at[1] - kept[-1][1])) >= _NEAR:
            kept.append(at)
    return kept


def _intervals(frame: Frame, curve: _Curve) -> Iterator[Markup]:
    for each in curve.times.quantiles:
        if 0 <= each.q < 1:
            yield marks.quantile(frame, 1 / (1 - each.q), each, curve.way, 3.0)


def _label(frame: Frame, curve: _Curve) -> Label:
    return Label(curve.name, frame.y.at(curve.points[-1][1]), curve.way)


def _described(curve: _Curve) -> str:
    known = (each for each in curve.times.quantiles if each.value_ms is not None)
    told = ", ".join(f"{quantile_name(each.q)} {quantile(each)}" for each in known)
    most = milliseconds(curve.times.max_ms)
    return f"{curve.name}: {told or 'no percentile'}, max {most}" + _of(curve.times.count)


def _of(count: int) -> str:
    return f" of {figures.plural(count, 'sample')}"

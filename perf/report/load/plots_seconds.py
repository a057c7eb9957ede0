"""What happened second by second: all plots have the same seconds below. None stands for no
picture.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, batched
from typing import Final

from perf.load.results import LoadRun, Second
from perf.report import figures, svg
from perf.report.load.summary import milliseconds
from perf.report.markup import Markup, join
from perf.report.scales import Scale, drawable, linear_scale, log_scale
from perf.report.svg import HEIGHT, LEFT, TOP, WIDTH, Frame, Label, Point

MOST: Final = 600  # points of a curve: of more seconds several are drawn as one
NAMES: Final = ("in flight", "postgres", "failures")  # all plots have the room of the longest
_MARKS: Final = 6
_HEADROOM: Final = 1.06
_FEW: Final = 3.0  # an axis of fewer would have ticks between whole numbers
_MINUTES: Final = 600  # seconds from which on the axis has minutes
_REDUCED: Final[dict[str, Callable[[list[float]], float]]] = {
    "due": statistics.mean,
    "done": statistics.mean,
    "failed": statistics.mean,
    "in_flight": max,
    "p50_ms": statistics.median,
    "p95_ms": max,
    "max_ms": max,
    "lag_max_ms": max,
}


@dataclass(frozen=True, slots=True)
class _Curve:
    """A figure of each second; None where it is not known."""

    name: str
    way: int
    found: tuple[tuple[int, float | None], ...]

    @property
    def known(self) -> list[float]:
        return [value for _, value in self.found if value is not None]


def latency(key: str, run: LoadRun) -> Markup | None:
    """p50, p95 and the slowest of each second in which requests were due."""
    of = {"p50": "p50_ms", "p95": "p95_ms", "max": "max_ms"}
    title = "Latency by the second in which requests were due"
    return _drawing(key, title, "latency (log)", run, _fields(run, of), milliseconds)


def rate(key: str, run: LoadRun) -> Markup | None:
    """What was due beside what came back."""
    of = {"due": "due", "done": "done"}
    return _drawing(
        key, "Requests a second", "a second", run, _fields(run, of), figures.number, _FEW
    )


def in_flight(key: str, run: LoadRun) -> Markup | None:
    """What is under way at the end of each second: it grows where the service lags behind."""
    curves = _fields(run, {"in flight": "in_flight"})
    return _drawing(key, "Requests in flight", "requests", run, curves, figures.number, _FEW)


def failures(key: str, run: LoadRun) -> Markup | None:
    """Failures but for 429; no picture where there was none."""
    if not any(each.failed for each in shown(run)):
        return None
    curves = _fields(run, {"failures": "failed"})
    return _drawing(key, "Failures a second", "a second", run, curves, figures.number, _FEW)


def processors(key: str, run: LoadRun) -> Markup | None:
    """What loader and servers used of a processor."""
    curves = [
        _Curve(each.name, at, tuple(_by_second(each.by_second, run)))
        for at, each in enumerate(run.server.processes)
        if each.by_second
    ]
    return _drawing(key, "Processors used", "of a processor", run, curves, figures.percent, 0.1)


def lag(key: str, run: LoadRun) -> Markup | None:
    """How late the loader was at most: the loader's own trouble, and not the service's."""
    curves = _fields(run, {"lag": "lag_max_ms"})
    title = "The greatest lag of the loader"
    return _drawing(key, title, "lag", run, curves, milliseconds, 1.0)


def shown(run: LoadRun) -> list[Second]:
    """The warm-up and the measured part. What came back later is in the second it was due in."""
    return [each for each in run.seconds if each.at < run.measured_s]


def together(run: LoadRun) -> int:
    """How many seconds are drawn as one."""
    return max(1, math.ceil(len(shown(run)) / MOST))


def _fields(run: LoadRun, of: dict[str, str]) -> list[_Curve]:
    groups = list(batched(shown(run), together(run)))
    return [
        _Curve(name, at, tuple((each[0].at, _one(each, field)) for each in groups))
        for at, (name, field) in enumerate(of.items())
    ]


def _one(group: Sequence[Second], field: str) -> float | None:
    """A figure of several seconds: what is slowest stays to be seen, a rate is an average."""
    known = [value for each in group if (value := getattr(each, field)) is not None]
    return _REDUCED[field](known) if known else None


def _by_second(found: Sequence[float], run: LoadRun) -> Iterator[tuple[int, float]]:
    many = together(run)
    for at, group in enumerate(batched(found, many)):
        yield at * many, statistics.mean(group)


# The drawing


def _drawing(
    key: str, title: str, y_title: str, run: LoadRun, curves: Sequence[_Curve],
    y_format: Callable[[float], str], least: float | None = None,
) -> Markup | None:  # fmt: skip
    """The picture; y is logarithmic, or from 0 to `least` or more."""
    known = [found for each in curves if (found := _placed(each, least is None)).known]
    frame = _frame(run, known, least)
    if frame is None:
        return None
    unit, ticks = _ticks(frame.x)
    return svg.drawing(
        key,
        title,
        "; ".join(_described(each, y_format) for each in known),
        _warmup(frame),
        svg.axes(frame, unit, y_title, ticks, y_format),
        _stages(frame, run),
        (_curve(frame, each) for each in reversed(known)),
        svg.end_labels(frame, (_label(frame, each) for each in known)),
    )


def _placed(curve: _Curve, is_log: bool) -> _Curve:
    """The curve with a gap where a figure has no place."""
    found = ((at, x if drawable(x) or (x == 0 and not is_log) else None) for at, x in curve.found)
    return replace(curve, found=tuple(found))


def _frame(run: LoadRun, curves: Sequence[_Curve], least: float | None) -> Frame | None:
    values = [value for each in curves for value in each.known]
    if not values or not shown(run):
        return None
    x = _seconds(run)
    if least is None:
        return Frame(x, log_scale(values, HEIGHT - svg.BOTTOM, TOP))
    # From 0 on: a curve that hardly moves shall not look like a mountain.
    most = max(least, *(each * _HEADROOM for each in values))
    return Frame(x, linear_scale(0.0, most, HEIGHT - svg.BOTTOM, TOP))


def _seconds(run: LoadRun) -> Scale:
    ats = [each.at for each in shown(run)]
    right = WIDTH - svg.right_margin(NAMES)
    return linear_scale(float(min(ats)), float(max(ats) + 1), LEFT, right)


def _ticks(x: Scale) -> tuple[str, list[tuple[float, str]]]:
    if x.high - x.low < _MINUTES:
        return "seconds", [(each, figures.number(each)) for each in x.ticks()]
    minutes = linear_scale(x.low / 60, x.high / 60, x.start, x.end)
    return "minutes", [(each * 60, figures.number(each)) for each in minutes.ticks()]


def _warmup(frame: Frame) -> Markup:
    """Shaded until the measured part begins."""
    if frame.x.low >= 0:
        return Markup()
    width = frame.x.at(0) - frame.left
    return svg.rectangle(frame.left, frame.top, width, frame.bottom - frame.top, "noise")


def _stages(frame: Frame, run: LoadRun) -> Iterator[Markup]:
    """A line where one stage ends and the next begins."""
    ends = list(accumulate(each.duration_s for each in run.method.stages))
    for end in ends[:-1]:
        if frame.x.holds(end):
            x = frame.x.at(end)
            yield svg.line((x, frame.top), (x, frame.bottom), "one")


def _curve(frame: Frame, curve: _Curve) -> Markup:
    runs = list(_runs(frame, curve))
    points = [each for run in runs for each in run]
    few = points[:: math.ceil(len(points) / _MARKS)] if points else []
    alone = [run[0] for run in runs if len(run) == 1]
    return join(
        (
            (svg.path(run, "curve", curve.way) for run in runs),
            svg.markers([*few, *alone], curve.way, size=2.6),
        )
    )


def _runs(frame: Frame, curve: _Curve) -> Iterator[list[Point]]:
    """The places of figures that are known one after the other."""
    run: list[Point] = []
    for at, value in curve.found:
        if value is None:
            if run:
                yield run
            run = []
        else:
            run.append(frame.at(at + 0.5, value))
    if run:
        yield run


def _label(frame: Frame, curve: _Curve) -> Label:
    return Label(curve.name, frame.y.at(curve.known[-1]), curve.way)


def _described(curve: _Curve, y_format: Callable[[float], str]) -> str:
    known = curve.known
    low, high, last = (y_format(each) for each in (min(known), max(known), known[-1]))
    return f"{curve.name}: from {low} to {high}, {last} at last"

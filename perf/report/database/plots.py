"""Small plots of figures over time: a line with its least and most, first and last moment."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from perf.pgstat.results import Point, Series
from perf.report.database import values
from perf.report.markup import Markup, element, pixels

WIDTH, HEIGHT = 440.0, 130.0
LEFT, RIGHT, TOP, BOTTOM = 8.0, 8.0, 20.0, 22.0

type Run = list[tuple[float, float]]


def plots(found: Iterable[Series]) -> Markup | None:
    """All plots side by side; none where no figure is known twice."""
    drawn = [plot(each) for each in found if len(_known(each.points)) > 1]
    return element("div", drawn, class_="plots") if drawn else None


def plot(series: Series) -> Markup:
    """One plot. Where a figure is not known the line has a gap."""
    known = _known(series.points)
    least, most = min(known), max(known)
    label = f"{series.title}: {_told(known[-1], series.unit)} at last"
    return element(
        "figure",
        element("figcaption", label),
        element(
            "svg",
            element("title", f"{label}, {_told(least, series.unit)} to {_told(most, series.unit)}"),
            _frame(series, most),
            (element("path", d=_path(run), class_="curve") for run in _runs(series.points)),
            (_dot(run[0]) for run in _runs(series.points) if len(run) == 1),
            class_="plot way0",
            viewBox=f"0 0 {pixels(WIDTH)} {pixels(HEIGHT)}",
            role="img",
        ),
    )


def _known(points: Iterable[Point]) -> list[float]:
    return [each.value for each in points if each.value is not None]


def _told(value: float, unit: str) -> str:
    whole, per, _ = unit.partition("/s")
    return values.value(value, unit if unit == "bytes/s" else whole) + (
        "/s" if per and unit != "bytes/s" else ""
    )


def _frame(series: Series, most: float) -> Iterator[Markup]:
    bottom = HEIGHT - BOTTOM
    yield element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=bottom, y2=bottom, class_="axis")
    yield element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=TOP, y2=TOP, class_="grid")
    yield element("text", _told(most, series.unit), x=LEFT, y=TOP - 5, class_="tick")
    first, last = series.points[0].at, series.points[-1].at
    yield element("text", values.moment(first)[5:16], x=LEFT, y=HEIGHT - 6, class_="tick")
    yield element(
        "text",
        values.moment(last)[5:16],
        x=WIDTH - RIGHT,
        y=HEIGHT - 6,
        class_="tick",
        text_anchor="end",
    )


def _runs(points: Sequence[Point]) -> Iterator[Run]:
    """The places of the figures that are known one after the other. The axis begins with 0."""
    times = [datetime.fromisoformat(each.at).timestamp() for each in points]
    span, most = (times[-1] - times[0]) or 1.0, max(_known(points)) or 1.0
    run: Run = []
    for at, each in zip(times, points, strict=True):
        if each.value is None:
            if run:
                yield run
            run = []
            continue
        x = LEFT + (at - times[0]) / span * (WIDTH - LEFT - RIGHT)
        run.append((x, HEIGHT - BOTTOM - each.value / most * (HEIGHT - TOP - BOTTOM)))
    if run:
        yield run


def _path(run: Run) -> str:
    return "M" + "L".join(f"{pixels(x)},{pixels(y)}" for x, y in run)


def _dot(place: tuple[float, float]) -> Markup:
    return element("circle", cx=place[0], cy=place[1], r=2.0, class_="marker")

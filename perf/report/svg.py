"""Drawings of SVG: a frame with axes, and the marks in it. All places are absolute, all colours are
classes of page.css, and each curve has its own marker too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from perf.report.markup import Child, Markup, element, join, pixels
from perf.report.scales import Scale

WIDTH, HEIGHT = 440.0, 290.0
LEFT, TOP, BOTTOM = 58.0, 30.0, 44.0
RIGHT_LEAST, RIGHT_MOST = 16.0, 124.0
LETTER: Final = 7.4  # the width of a letter of a label, in a wide font
LINE: Final = 14.0  # from label to label
MARKER: Final = 4.0
WAYS: Final = 5  # colours and markers, then they begin anew

type Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """The field of a drawing, with a scale to each side."""

    x: Scale
    y: Scale

    @property
    def left(self) -> float:
        return self.x.start

    @property
    def right(self) -> float:
        return self.x.end

    @property
    def bottom(self) -> float:
        return self.y.start

    @property
    def top(self) -> float:
        return TOP

    def at(self, x: float, y: float) -> Point:
        return self.x.at(x), self.y.at(y)


@dataclass(frozen=True, slots=True)
class Label:
    """A name beside the end of its curve; `way` is its colour and marker."""

    text: str
    y: float
    way: int


def right_margin(names: Iterable[str]) -> float:
    """The room that labels need beside the field."""
    longest = max((len(each) for each in names), default=0)
    return min(RIGHT_MOST, max(RIGHT_LEAST, 22 + longest * LETTER)) if longest else RIGHT_LEAST


def drawing(key: str, title: str, description: str, *children: Child) -> Markup:
    """The picture. `key` is its id in the page, `description` what one who can't see it reads."""
    return element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", description, id=f"{key}-desc"),
        *children,
        viewBox=f"0 0 {pixels(WIDTH)} {pixels(HEIGHT)}",
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
        class_="plot",
    )


def axes(
    frame: Frame, x_title: str, y_title: str, x_ticks: Sequence[tuple[float, str]],
    y_format: Callable[[float], str], *, x_lines: bool = True,
) -> Markup:  # fmt: skip
    """Grid, ticks, and what they are: the title of y stands above, not turned."""
    middle = (frame.left + frame.right) / 2
    return join(
        (
            (_across(frame, frame.y.at(each), "minor") for each in frame.y.decades()),
            (_y_tick(frame, each, y_format(each)) for each in frame.y.ticks()),
            _x_ticks(frame, x_ticks, x_lines),
            line((frame.left, frame.bottom), (frame.right, frame.bottom), "axis"),
            text((6, 16), y_title, "title"),
            text((middle, HEIGHT - 8), x_title, "title", "middle"),
        )
    )


def line(start: Point, end: Point, style: str) -> Markup:
    (x1, y1), (x2, y2) = start, end
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=style)


def text(at: Point, words: str, style: str = "", anchor: str = "start") -> Markup:
    return element("text", words, x=at[0], y=at[1], class_=style or None, text_anchor=anchor)


def path(points: Sequence[Point], style: str, way: int | None = None) -> Markup:
    """A line through all points; nothing for fewer than two."""
    if len(points) < 2:
        return Markup()
    return element("path", d=_through(points), class_=_class(style, way))


def steps(points: Sequence[Point], style: str, way: int) -> Markup:
    """A stair: across to the next point's x, then to its y."""
    corners = [
        corner
        for (x1, y1), (x2, y2) in pairwise(points)
        for corner in ((x1, y1), (x2, y1), (x2, y2))
    ]
    return path(corners, style, way)


def area(upper: Sequence[Point], lower: Sequence[Point], way: int) -> Markup:
    """What lies between two lines with the same x."""
    if len(upper) < 2:
        return Markup()
    return element("path", d=_through([*upper, *reversed(lower)]) + "Z", class_=_class("area", way))


def rectangle(x: float, y: float, width: float, height: float, style: str) -> Markup:
    return element("rect", x=x, y=y, width=max(0.0, width), height=max(0.0, height), class_=style)


def markers(
    points: Iterable[Point], way: int, style: str = "marker", size: float = MARKER
) -> Markup:
    """One mark for each point, in a single element: a page has thousands."""
    drawn = "".join(marker(way, x, y, size) for x, y in points)
    return element("path", d=drawn, class_=_class(style, way)) if drawn else Markup()


def dots(points: Iterable[Point], way: int) -> Markup:
    """Small dots, which are lines of no length with round ends: the shortest there is."""
    drawn = "".join(f"M{pixels(x)} {pixels(y)}h0" for x, y in points)
    return element("path", d=drawn, class_=_class("dot", way)) if drawn else Markup()


def marker(way: int, x: float, y: float, r: float) -> str:
    """The outline of a mark: circle, square, triangle, diamond, cross."""
    match way % WAYS:
        case 0:
            left, right, radius = pixels(x - r), pixels(x + r), pixels(r)
            half = f"A{radius} {radius} 0 1 0 "
            return f"M{left} {pixels(y)}{half}{right} {pixels(y)}{half}{left} {pixels(y)}Z"
        case 1:
            corners = [(x - r, y - r), (x + r, y - r), (x + r, y + r), (x - r, y + r)]
        case 2:
            corners = [(x, y - r * 1.2), (x + r * 1.2, y + r), (x - r * 1.2, y + r)]
        case 3:
            corners = [(x, y - r * 1.4), (x + r * 1.4, y), (x, y + r * 1.4), (x - r * 1.4, y)]
        case _:
            a, b = r * 0.45, r * 1.2
            corners = [
                (x - b, y - a), (x - a, y - a), (x - a, y - b), (x + a, y - b), (x + a, y - a),
                (x + b, y - a), (x + b, y + a), (x + a, y + a), (x + a, y + b), (x - a, y + b),
                (x - a, y + a), (x - b, y + a),
            ]  # fmt: skip
    return _through(corners) + "Z"


def key_mark(way: int) -> Markup:
    """A mark alone, for a legend outside of drawings."""
    mark = element("path", d=marker(way, 8, 8, 5), class_=_class("marker", way))
    return element("svg", mark, viewBox="0 0 16 16", class_="key", aria_hidden="true")


def end_labels(frame: Frame, labels: Iterable[Label]) -> Markup:
    """The names of curves at their ends, moved apart where they would overlap."""
    found = sorted(labels, key=lambda each: each.y)
    places = apart([each.y for each in found], frame.top + LINE / 2, frame.bottom, LINE)
    x, most = frame.right + 8, int((WIDTH - frame.right - 18) / LETTER)
    return join(
        (
            markers([(x, y)], each.way, size=3.0),
            text((x + 8, y + 4), shortened(each.text, most), _class("label", each.way)),
        )
        for each, y in zip(found, places, strict=True)
    )


def apart(wanted: Sequence[float], low: float, high: float, least: float) -> list[float]:
    """The places nearest to those wanted, ascending, that are `least` apart and between the bounds;
    nearer to each other where there is no room for that.

    >>> apart([10, 12, 50], 0, 100, 14)
    [10, 24, 50]
    """
    if len(wanted) > 1:
        least = min(least, (high - low) / (len(wanted) - 1))
    found: list[float] = []
    for each in wanted:
        found.append(max(each, low, found[-1] + least if found else low))
    ceiling = high
    for at in reversed(range(len(found))):
        found[at] = min(found[at], ceiling)
        ceiling = found[at] - least
    return found


def shortened(words: str, most: int) -> str:
    return words if len(words) <= most else words[: max(1, most - 1)] + "…"


def _class(style: str, way: int | None) -> str:
    return style if way is None else f"{style} way{way % WAYS}"


def _through(points: Sequence[Point]) -> str:
    return "M" + "L".join(f"{pixels(x)} {pixels(y)}" for x, y in points)


def _across(frame: Frame, y: float, style: str) -> Markup:
    return line((frame.left, y), (frame.right, y), style)


def _y_tick(frame: Frame, value: float, words: str) -> Markup:
    y = frame.y.at(value)
    return join((_across(frame, y, "grid"), text((frame.left - 6, y + 4), words, "tick", "end")))


def _x_ticks(frame: Frame, ticks: Sequence[tuple[float, str]], lines: bool) -> Markup:
    """Labels that would touch the one before are left out, their lines are not."""
    drawn, free_from = [], -math.inf
    for value, words in ticks:
        x, half = frame.x.at(value), len(words) * LETTER / 2
        if lines:
            drawn.append(line((x, frame.top), (x, frame.bottom), "grid"))
        if x - half >= free_from:
            drawn.append(text((x, frame.bottom + 15), words, "tick", "middle"))
            free_from = x + half + 4
    return join(drawn)
